/** The policy has the model in a tier; asked where it serves no other models. */
import type { Gate } from './gate.ts'

export const tierGate: Gate = {
  name: 'tier',
  temporary: false,
  applies: ({ tier, policy }) => tier === null && !policy.servesOtherModels,
  check: ({ offer }, { tier }) => (tier === null ? (offer?.name ?? 'no model') : undefined),
  required: () => 'a model of one of the policy’s tiers',
  actual: (fact) => `${fact}, which is in none`,
}
