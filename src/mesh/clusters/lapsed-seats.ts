/** Whose seat is over: a pure function of what the coordinator knows. */
import type { NodeId } from '../../protocol/index.ts'
import type { Card } from '../directory/card.ts'
import type { RosterBody } from './claims.ts'
import { clusterTimes } from './limits.ts'
import type { Presence } from './presence.ts'

export interface SeatView {
  readonly roster: RosterBody
  readonly presence: Presence
  /** Admitted, but not heard of since; until when they may be. */
  readonly unconfirmed: ReadonlyMap<NodeId, number>
  cardOf(id: NodeId): Card | undefined
}

/** Those who never came, have gone, were absent for too long, or say that they are elsewhere. */
export function lapsedSeats(view: SeatView, nowMs: number): NodeId[] {
  const { roster, presence, unconfirmed, cardOf } = view
  const lapsed: NodeId[] = []
  for (const { id, epoch } of roster.seats) {
    const untilMs = unconfirmed.get(id)
    const sinceMs = presence.absent.get(id)
    const hasNotCome = untilMs !== undefined && nowMs >= untilMs
    const isLongGone = sinceMs !== undefined && nowMs - sinceMs > clusterTimes.absentMs
    const card = cardOf(id)
    const isElsewhere = card !== undefined && card.epoch > epoch && card.cluster !== roster.cluster
    if (hasNotCome || isLongGone || isElsewhere || presence.isGone(id)) lapsed.push(id)
  }
  return lapsed
}
