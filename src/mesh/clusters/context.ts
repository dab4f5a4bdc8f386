/** What the parts of a neighbourhood share. */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import type { Card } from '../directory/card.ts'
import type { ClaimSeal } from './claims.ts'
import type { ClusterRules } from './limits.ts'
import type { ClusterMessage } from './messages.ts'
import type { Trips } from './trips.ts'

export type ClusterFault =
  | 'forged'
  | 'expired'
  | 'malformed'
  | 'oversized'
  | 'flood'
  /**
   * Signed by a member that is not the coordinator in one's own eyes: an attempt, or an honest
   * one who took the coordinator for lost. Not to be held against anyone by itself.
   */
  | 'usurped'

export interface ClusterContext {
  readonly self: NodeId
  readonly rules: ClusterRules
  readonly seal: ClaimSeal
  readonly random: Random
  readonly trips: Trips
  /** One's own, as it is now. */
  ownCard(): Card
  /** Of one's present cluster. */
  ownSize(): number
  cardOf(id: NodeId): Card | undefined
  send(to: NodeId, message: ClusterMessage): void
  reject(from: NodeId, fault: ClusterFault): void
  /** @returns whether a probe is under way now */
  measure(id: NodeId): boolean
}

/** What is to become of one's place in a cluster: it goes on, or why it ends. */
export type Fate = 'in' | 'unseated' | 'too-far' | 'deserted'

/** Between three quarters of it and five quarters. */
export function around(ms: number, random: Random): number {
  return ms * (0.75 + random.float() / 2)
}
