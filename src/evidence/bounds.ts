/**
 * The bounds of a probability of success while its record fades.
 *
 * A bound costs microseconds, a gateway may know thousands of workers, and most records do nothing
 * but fade. So bounds are computed for moments at fixed distances from the latest observation, and
 * lie on a straight line in between: what is read depends on the moment alone, not on who read
 * what before.
 */
import { betaQuantile } from './beta.ts'

/** Beta(1, 1): a newcomer's mean is 0.5 and its lower bound 0.05, far below any proven worker's. */
export const priorSuccesses = 1
export const priorFailures = 1
export const boundProbability = 0.05
/** So little of a record fades in this time that it counts as fresh: 0.02 %. */
const freshMs = 1_000
/**
 * Two minutes of fading take 2.3 % of a record; the line is then off by less than 0.0001, a
 * hundredth of the smallest difference that decides anything.
 */
const lineMs = 120_000

export interface Successes {
  readonly successes: number
  readonly failures: number
}

export interface CompletionBounds {
  readonly lower: number
  readonly upper: number
}

export function successBounds({ successes, failures }: Successes): CompletionBounds {
  const a = priorSuccesses + successes
  const b = priorFailures + failures
  return {
    lower: betaQuantile(a, b, boundProbability),
    upper: betaQuantile(a, b, 1 - boundProbability),
  }
}

export class FadingBounds {
  /** Which line the two are the ends of; -1: none. */
  #line = -1
  #from: CompletionBounds | undefined
  #to: CompletionBounds | undefined

  /** Something new was seen. */
  forget(): void {
    this.#line = -1
    this.#from = undefined
    this.#to = undefined
  }

  /**
   * @param ageMs since the latest observation
   * @param recordAt what has not faded away at an age
   */
  at(ageMs: number, recordAt: (ageMs: number) => Successes): CompletionBounds {
    const line = Math.max(0, Math.floor(ageMs / lineMs))
    if (line !== this.#line) {
      this.#from = line === this.#line + 1 ? this.#to : undefined
      this.#to = undefined
      this.#line = line
    }
    this.#from ??= successBounds(recordAt(line * lineMs))
    if (ageMs < freshMs) return this.#from
    this.#to ??= successBounds(recordAt((line + 1) * lineMs))
    return between(this.#from, this.#to, ageMs / lineMs - line)
  }
}

function between(from: CompletionBounds, to: CompletionBounds, share: number): CompletionBounds {
  return {
    lower: from.lower + (to.lower - from.lower) * share,
    upper: from.upper + (to.upper - from.upper) * share,
  }
}
