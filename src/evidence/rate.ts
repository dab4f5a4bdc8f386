/**
 * At what rate the answers of one worker come, with its bounds: a fading mean and variance of the
 * logarithm of the time per token. So an answer that was held up once weighs little, and what is
 * bounded is the median, whatever the unit.
 */
import { fade } from './fading.ts'

export interface RateEstimate {
  /** Tokens per second; all are of one answer. */
  readonly median: number
  /** The median is below this with a probability of 5 %. */
  readonly lower: number
  /** Above this with a probability of 5 %. */
  readonly upper: number
  /** Effective number of answers after decay. */
  readonly samples: number
}

/** Fewer answers may all have been disturbed by the same thing. */
export const rateAnswersMin = 3
/** What has faded to less says nothing any more. */
const samplesMin = 1
/** The 95th percentile of the normal distribution. */
const z = 1.645
/** Before anything is seen, answers are taken to differ by half, and by the weight of so many. */
const unseenDeviation = 0.5
const unseenSamples = 2
/** A hundred thousand tokens per second: nobody writes faster, but several may arrive at once. */
const tpotMsMin = 0.01

export class RateRecord {
  readonly #halfLifeMs: number
  #atMs = 0
  #weight = 0
  /** None of them faded. */
  #answers = 0
  /** Of ln(ms per token). */
  #mean = 0
  /** Sum of weighted squared deviations. */
  #squares = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  /** The clock was set back. */
  comeBack(now: number): void {
    this.#atMs = Math.min(this.#atMs, now)
  }

  /** It is measured anew. */
  forget(): void {
    this.#weight = 0
    this.#answers = 0
    this.#squares = 0
  }

  add(tpotMs: number, atMs: number): void {
    if (!Number.isFinite(tpotMs) || tpotMs < 0) return
    const value = Math.log(Math.max(tpotMsMin, tpotMs))
    const fading = fade(this.#atMs, atMs, this.#halfLifeMs)
    const weight = fade(atMs, this.#atMs, this.#halfLifeMs)
    this.#weight = this.#weight * fading + weight
    this.#answers += 1
    const difference = value - this.#mean
    this.#mean += (difference * weight) / this.#weight
    this.#squares = this.#squares * fading + weight * difference * (value - this.#mean)
    this.#atMs = Math.max(this.#atMs, atMs)
  }

  /** undefined: too little was seen to say anything. */
  estimate(now: number): RateEstimate | undefined {
    if (this.#answers < rateAnswersMin) return undefined
    const left = fade(this.#atMs, now, this.#halfLifeMs)
    const samples = this.#weight * left
    if (samples < samplesMin) return undefined
    const unseen = unseenSamples * unseenDeviation ** 2
    const variance = (this.#squares * left + unseen) / (samples + unseenSamples)
    const spread = z * Math.sqrt(Math.max(0, variance) / samples)
    return {
      median: 1e3 * Math.exp(-this.#mean),
      lower: 1e3 * Math.exp(-this.#mean - spread),
      upper: 1e3 * Math.exp(-this.#mean + spread),
      samples,
    }
  }
}
