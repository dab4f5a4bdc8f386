/**
 * At what price a node works, as it was when the request was sent to it, and what that comes to.
 *
 * Prices are micro-dollars per million tokens. Amounts are whole nano-dollars: a token of the
 * cheapest models costs some of them, and thousands of dollars are still exact. Each entry is
 * rounded down once; sums are exact.
 */

export interface Tokens {
  readonly promptTokens: number
  readonly completionTokens: number
}

export interface Terms {
  /** Of the model, by the policy; null: in none. */
  readonly tier: string | null
  /** By the policy, from what the node states. */
  readonly hardwareClass: string
  readonly policyVersion: string
  /** Micro-dollars per million tokens. */
  readonly promptPrice: number
  readonly completionPrice: number
}

/** A price is a node's own word: none makes one answer dearer than 1,000 $. */
export const amountMaxNanoDollars = 1_000_000_000_000
/** Micro-dollars per million tokens are 10⁻¹² of a dollar per token. */
const picoPerNano = 1_000

/** What the policy pays at most for the class of hardware, in this tier; null: any price. */
export interface PriceCap {
  readonly promptPriceMax: number | null
  readonly completionPriceMax: number | null
}

/** @param cap undefined: the tier has none, or there is no tier */
export function termsOf(
  offer: Pick<Terms, 'promptPrice' | 'completionPrice'>,
  cap: PriceCap | undefined,
  about: Pick<Terms, 'tier' | 'hardwareClass' | 'policyVersion'>,
): Terms {
  const { hardwareClass, policyVersion, tier } = about
  return {
    tier,
    hardwareClass,
    policyVersion,
    promptPrice: Math.min(offer.promptPrice, cap?.promptPriceMax ?? offer.promptPrice),
    completionPrice: Math.min(
      offer.completionPrice,
      cap?.completionPriceMax ?? offer.completionPrice,
    ),
  }
}

/** Whole nano-dollars. */
export function amountOf({ completionTokens, promptTokens }: Tokens, terms: Terms): number {
  const pico = promptTokens * terms.promptPrice + completionTokens * terms.completionPrice
  return Math.min(Math.floor(pico / picoPerNano), amountMaxNanoDollars)
}
