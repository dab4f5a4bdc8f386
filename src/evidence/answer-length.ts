/**
 * How long the answers of each model are, by those that were seen to end: a fading mean of the
 * logarithm of their tokens. So what is learnt is the median, and a few very long answers, of one
 * client for example, move it little.
 */
import { fade } from './fading.ts'

export interface AnswerLength {
  /** Of an answer: a power of the square root of 2, rounded. */
  readonly tokens: number
  /** Effective number of answers after decay: a power of 2. */
  readonly samples: number
}

/** What is asked of a model changes more slowly than how busy nodes are. */
export const lengthHalfLifeMs = 60 * 60_000
/** Of fewer nothing is told: it would be one client’s. */
const samplesMin = 4
/** A tenth of a doubling: so much may have faded of them, for example of four in six minutes. */
const fadedMax = 0.1
/** At about 100 bytes each; the one that answered longest ago goes first. */
const modelsMaxDefault = 1_000

interface Known {
  atMs: number
  weight: number
  /** Of ln(tokens). */
  mean: number
}

export class AnswerLengths {
  readonly #modelsMax: number
  /** The one that answered longest ago first. */
  readonly #known = new Map<string, Known>()

  constructor(modelsMax = modelsMaxDefault) {
    this.#modelsMax = modelsMax
  }

  /** @param tokens of one answer; where several came together, of each on the mean */
  add(model: string, tokens: number, nowMs: number): void {
    if (!(tokens >= 0) || !Number.isFinite(tokens)) return
    const known = this.#known.get(model) ?? { atMs: nowMs, weight: 0, mean: 0 }
    known.weight = known.weight * fade(known.atMs, nowMs, lengthHalfLifeMs) + 1
    known.mean += (Math.log(Math.max(1, tokens)) - known.mean) / known.weight
    known.atMs = nowMs
    this.#known.delete(model)
    this.#known.set(model, known)
    if (this.#known.size <= this.#modelsMax) return
    const [oldest = model] = this.#known.keys()
    this.#known.delete(oldest)
  }

  /**
   * undefined: too few were seen lately. It is told in steps, since others read it: one answer
   * mostly changes nothing of it, and of one among four it tells no more than a factor of 2 either
   * way.
   */
  of(model: string, nowMs: number): AnswerLength | undefined {
    const known = this.#known.get(model)
    if (known === undefined) return undefined
    const samples = known.weight * fade(known.atMs, nowMs, lengthHalfLifeMs)
    const told = 2 ** Math.floor(Math.log2(samples) + fadedMax)
    return told < samplesMin ? undefined : { tokens: inSteps(Math.exp(known.mean)), samples: told }
  }
}

function inSteps(tokens: number): number {
  return Math.round(2 ** (Math.round(2 * Math.log2(tokens)) / 2))
}
