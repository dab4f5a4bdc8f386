/**
 * How long a worker stays, from the sessions that this gateway witnessed.
 *
 * Its sessions end unannounced at some rate, the hazard: a Gamma distribution, whose shape counts
 * the ends that were seen and whose rate the time that it was there, both fading. The probability
 * that it is still there when a request is done falls with the length of the request.
 */
import { fade } from './fading.ts'

/**
 * A volunteer's computer is switched off at any hour of the day; what was seen yesterday weighs
 * half.
 */
export const presenceHalfLifeMs = 24 * 60 * 60_000
/** What is older weighs less than a hundredth. */
export const presenceWindowMs = 7 * presenceHalfLifeMs
/** Of a newcomer: as if it had been seen for ten minutes, and gone once. */
const priorEnds = 1
const priorSeenMs = 10 * 60_000
/** The 95th percentile of the normal distribution. */
const z = 1.645

/** Ends per ms. */
export interface HazardEstimate {
  readonly mean: number
  /** Above this with a probability of 5 %. */
  readonly upper: number
  /** Below this with a probability of 5 %. */
  readonly lower: number
  /** Unannounced ends that were seen, faded. */
  readonly ends: number
  /** Time for which it was seen, faded. */
  readonly seenMs: number
}

export class Presence {
  #atMs = 0
  #ends = 0
  #seenMs = 0

  /** It was there from `fromMs` until `atMs`. */
  seen(fromMs: number, atMs: number): void {
    const lengthMs = Math.max(0, atMs - fromMs)
    this.#add(atMs, 0, meanLifeMs * -Math.expm1(-lengthMs / meanLifeMs))
  }

  /** It went without a word. */
  lost(atMs: number): void {
    this.#add(atMs, 1, 0)
  }

  hazard(now: number): HazardEstimate {
    const left = fade(this.#atMs, now, presenceHalfLifeMs)
    return hazardOf(this.#ends * left, this.#seenMs * left)
  }

  /** What was seen at a time that is now to come counts as seen just now. */
  comeBack(now: number): void {
    this.#atMs = Math.min(this.#atMs, now)
  }

  #add(atMs: number, ends: number, seenMs: number): void {
    const fading = fade(this.#atMs, atMs, presenceHalfLifeMs)
    const weight = fade(atMs, this.#atMs, presenceHalfLifeMs)
    this.#ends = this.#ends * fading + ends * weight
    this.#seenMs = this.#seenMs * fading + seenMs * weight
    this.#atMs = Math.max(this.#atMs, atMs)
  }
}

/** Of an exponential decay with the half-life. */
const meanLifeMs = presenceHalfLifeMs / Math.LN2

export function hazardOf(ends: number, seenMs: number): HazardEstimate {
  const shape = priorEnds + ends
  const rate = priorSeenMs + seenMs
  const mean = shape / rate
  return {
    mean,
    upper: mean * quantileFactor(shape, z),
    lower: mean * quantileFactor(shape, -z),
    ends,
    seenMs,
  }
}

/**
 * The quantile of a Gamma distribution as a multiple of its mean (Wilson and Hilferty, 1931): with
 * a shape of 1 or more off by 1 % of the hazard above, and on the cautious side below.
 */
function quantileFactor(shape: number, deviations: number): number {
  const root = 1 - 1 / (9 * shape) + deviations / (3 * Math.sqrt(shape))
  return Math.max(0, root) ** 3
}

/** The probability that nothing ends within `ms`. */
export function survival(hazardPerMs: number, ms: number): number {
  return noneOf(hazardPerMs * ms)
}

/** The probability of none, where `expected` of them are (Poisson). */
export function noneOf(expected: number): number {
  const x = expected
  // Mostly less than a tenth: then the series is exact to eight digits, and half as dear.
  if (!(x < 0.1)) return Math.exp(-x)
  const squared = x * x
  const first = 1 - x + squared * (1 / 2 - x * (1 / 6))
  return first + squared * squared * (1 / 24 - x * (1 / 120))
}
