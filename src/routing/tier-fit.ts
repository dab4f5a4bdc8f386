/**
 * What a tier asks of a worker whatever the request is. Each has a gate that says what was required
 * and found; all together are worked out when the worker changes, not for each request.
 */
import type { WorkerEvidence } from '../evidence/index.ts'
import type { OfferedModel } from '../protocol/index.ts'
import type { Candidate } from './candidate.ts'
import { ruleOf, type Tier, type TierRule } from './tier.ts'

export function fitsTier(
  tier: Tier,
  { evidence, hardwareClass, offer }: Pick<Candidate, 'evidence' | 'hardwareClass' | 'offer'>,
): boolean {
  const rule = ruleOf(tier, hardwareClass)
  if (rule === undefined || isBelowFloor(rule, evidence)) return false
  return offer === null || !(isTooDear(rule, offer) || buildFault(tier, offer) !== undefined)
}

/** Even the upper bound of its rate is below. */
export function isBelowFloor(rule: TierRule | undefined, { rate }: WorkerEvidence): boolean {
  return rate !== undefined && rate.upper < (rule?.tokensPerSecondMin ?? 0)
}

export function isTooDear(rule: TierRule | undefined, offer: OfferedModel): boolean {
  const { promptPrice, completionPrice } = offer
  const isWithin =
    promptPrice <= (rule?.promptPriceMax ?? promptPrice) &&
    completionPrice <= (rule?.completionPriceMax ?? completionPrice)
  return !isWithin
}

/** What it runs that the tier does not allow; undefined: nothing. */
export function buildFault(tier: Tier, offer: OfferedModel): string | undefined {
  const { digests, quantisations } = tier
  if (!runsOn(tier, offer)) return `runtime ${offer.runtime}`
  if (quantisations.length > 0 && !quantisations.includes(offer.quantisation)) {
    return `quantisation ${offer.quantisation}`
  }
  if (digests.length === 0) return undefined
  if (offer.digest === null) return 'a model without a digest'
  return digests.includes(offer.digest) ? undefined : `digest ${offer.digest}`
}

function runsOn({ runtimes }: Tier, { runtime }: OfferedModel): boolean {
  if (runtimes.length === 0) return true
  return runtimes.some((one) => runtime === one || runtime.startsWith(`${one}/`))
}
