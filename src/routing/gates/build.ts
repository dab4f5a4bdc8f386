/**
 * The worker runs the model as the tier has it: these weights, this runtime, this quantisation. So
 * like is compared with like.
 */
import { buildFault } from '../tier-fit.ts'
import type { Gate } from './gate.ts'

export const buildGate: Gate = {
  name: 'build',
  temporary: false,
  applies: ({ tier }) =>
    tier !== null && tier.digests.length + tier.runtimes.length + tier.quantisations.length > 0,
  check: ({ offer }, { tier }) =>
    tier === null || offer === null ? undefined : buildFault(tier, offer),
  required({ tier }) {
    const { digests = [], quantisations = [], runtimes = [] } = tier ?? {}
    const parts = [
      ['runtime', runtimes],
      ['quantisation', quantisations],
      ['digest', digests],
    ] as const
    const asked = parts.filter(([, allowed]) => allowed.length > 0)
    return asked.map(([what, allowed]) => `${what} ${allowed.join(' or ')}`).join(', ')
  },
  actual: (fact) => `${fact}`,
}
