/** The worker can go on exactly where another one's answer broke off. */
import type { Gate } from './gate.ts'

export const continuationGate: Gate = {
  name: 'continuation',
  temporary: false,
  applies: ({ continuation }) => continuation !== null,
  check({ offer }, { continuation }) {
    if (continuation === null) return undefined
    if (offer?.digest !== continuation.digest) return 'another model under this name'
    if (!offer.features.includes('continuation')) return 'cannot go on with another one’s answer'
    const { contextTokensMax } = continuation
    if (contextTokensMax === null || contextTokensMax === offer.contextTokensMax) return undefined
    return `a context of ${offer.contextTokensMax} tokens`
  },
  required({ continuation }) {
    const context = continuation?.contextTokensMax ?? null
    const size = context === null ? '' : ` and a context of ${context} tokens`
    return `the same model, going on behind ${continuation?.tokens ?? 0} tokens${size}`
  },
  actual: (fact) => `${fact}`,
}
