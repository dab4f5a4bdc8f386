/**
 * The worker runs the model as the tier has it: these weights, this runtime, this quantisation. So
 * like is compared with like.
 */
import type { OfferedModel } from '../../protocol/index.ts'
import type { Tier } from '../tier.ts'
import type { Gate } from './gate.ts'

export const buildGate: Gate = {
  name: 'build',
  temporary: false,
  applies: ({ tier }) =>
    tier !== null && tier.digests.length + tier.runtimes.length + tier.quantisations.length > 0,
  check({ offer }, { tier }) {
    if (tier === null || offer === null) return undefined
    const { digests, quantisations } = tier
    if (!runsOn(tier, offer)) return `runtime ${offer.runtime}`
    if (quantisations.length > 0 && !quantisations.includes(offer.quantisation)) {
      return `quantisation ${offer.quantisation}`
    }
    if (digests.length === 0) return undefined
    if (offer.digest === null) return 'a model without a digest'
    return digests.includes(offer.digest) ? undefined : `digest ${offer.digest}`
  },
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

function runsOn({ runtimes }: Tier, { runtime }: OfferedModel): boolean {
  if (runtimes.length === 0) return true
  return runtimes.some((one) => runtime === one || runtime.startsWith(`${one}/`))
}
