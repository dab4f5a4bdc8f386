/**
 * The worker is about as fast as it states. Who was seen to be far slower is asked only as long as
 * nobody else can: what such a worker states of itself is no ground to plan on.
 */
import { predict } from '../prediction.ts'
import type { Gate } from './gate.ts'

export const statementGate: Gate = {
  name: 'statement',
  temporary: false,
  applies: ({ avoidsOverstated }) => avoidsOverstated,
  check(candidate, demand) {
    if (!demand.avoidsOverstated || candidate.evidence.response === undefined) return undefined
    const { overstatedBy } = predict(candidate, demand)
    return overstatedBy > demand.policy.overstatedFactorMax ? overstatedBy : undefined
  },
  required: ({ policy }) =>
    `first tokens at most ${policy.overstatedFactorMax} times as late as its stated speed allows`,
  actual: (fact) => `${Math.round(Number(fact) * 10) / 10} times as late, as seen`,
}
