/** Whether a newcomer is admitted: a pure function of what the coordinator knows. */
import type { NodeId } from '../../protocol/index.ts'
import type { Trip } from '../directory/card.ts'
import type { RosterBody } from './claims.ts'
import { countFar, type FarLists, farAdmitted } from './fit.ts'
import { type ClusterRules, clusterLimits } from './limits.ts'
import type { Verdict } from './messages.ts'
import type { Trips } from './trips.ts'

export interface AdmissionView {
  readonly roster: RosterBody
  readonly present: readonly NodeId[]
  readonly far: FarLists
  /** The coordinator's own: what it measured itself counts beside what the newcomer says. */
  readonly trips: Trips
  readonly rules: ClusterRules
}

export interface Judgement {
  readonly verdict: Verdict
  /** Whom the newcomer is too far from. */
  readonly far: readonly NodeId[]
}

export function judge(id: NodeId, said: readonly Trip[], view: AdmissionView): Judgement {
  const { roster, present, rules } = view
  if (roster.seats.length >= rules.membersMax) return { verdict: 'full', far: [] }
  const tripMs = new Map<NodeId, number>()
  for (const trip of said) if (trip.ms >= 0) tripMs.set(trip.id, trip.ms)
  const nearMs = clusterLimits.enterShare * rules.boundMs
  const ownIsFar = view.trips.isFar(id)
  const self = present[0]
  const far: NodeId[] = []
  for (const member of present) {
    const ms = tripMs.get(member)
    if (ms === undefined) return { verdict: 'stale', far: [] }
    if (ms > nearMs || (member === self && ownIsFar)) far.push(member)
  }
  const pairs = countFar(present, view.far) + far.length
  const fits = pairs <= farAdmitted(present.length)
  return { verdict: fits ? 'admitted' : 'too-far', far }
}
