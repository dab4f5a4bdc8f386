/**
 * When a second attempt at a first token is worth its price: when the first one is later than it
 * was in 19 of 20 cases, and not before the objective is in danger; and then only within a budget
 * (“The Tail at Scale”, Dean and Barroso, 2013).
 */
import type { Decision } from '../../routing/index.ts'

/**
 * @param sinceArrivalMs when the attempt begins
 * @returns ms from there; undefined: never, since nothing is asked for or there is nobody else
 */
export function hedgeAfterMs(decision: Decision, sinceArrivalMs: number): number | undefined {
  const { chosen, rankings, request } = decision
  const { ttftMs } = request.objective
  if (ttftMs === null || rankings.length < 2) return undefined
  let usualMs: number | undefined
  let elsewhereMs = Number.POSITIVE_INFINITY
  for (const { worker, predictedTtftMs, predictedTtftHighMs } of rankings) {
    if (worker === chosen) usualMs = predictedTtftHighMs
    else elsewhereMs = Math.min(elsewhereMs, predictedTtftMs)
  }
  if (usualMs === undefined) return undefined
  // The last moment at which somebody else may still be in time.
  return Math.max(usualMs, ttftMs - sinceArrivalMs - elsewhereMs)
}

/**
 * Of work that nodes do twice: a share of a token comes with every request, and a hedge, or a move
 * for slowness, takes a whole one.
 */
export class SpareBudget {
  readonly #share: number
  readonly #burstMax: number
  #tokens: number

  constructor({ share, burstMax }: { readonly share: number; readonly burstMax: number }) {
    this.#share = share
    this.#burstMax = burstMax
    this.#tokens = burstMax
  }

  request(): void {
    this.#tokens = Math.min(this.#burstMax, this.#tokens + this.#share)
  }

  /** @returns whether there is one */
  take(): boolean {
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
