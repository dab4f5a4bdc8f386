/** The worker has a free slot, or room in its queue. */
import { presentOf, slotsOf } from '../candidate.ts'
import type { Gate } from './gate.ts'

export const slotsGate: Gate = {
  name: 'slots',
  temporary: true,
  applies: () => true,
  check(candidate, { policy }) {
    const slots = slotsOf(candidate)
    const occupancy = presentOf(candidate)
    return occupancy < slots * (1 + policy.waitingPerSlotMax) ? undefined : [occupancy, slots]
  },
  required: ({ policy }) => `fewer than ${1 + policy.waitingPerSlotMax} requests per slot`,
  actual: (fact) =>
    Array.isArray(fact) ? `${fact[0]} requests on ${fact[1]} slots` : `${fact} requests`,
}
