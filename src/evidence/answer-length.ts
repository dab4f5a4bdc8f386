/**
 * How long the answers of each model are, by those that were seen to end: a fading mean of the
 * logarithm of their tokens. So what is learnt is the median, and a few very long answers, of one
 * client for example, move it little.
 */
import { fade } from './fading.ts'

export interface AnswerLength {
  /** Of an answer; to two digits, as `samples` are: nobody reads another one’s answer from it. */
  readonly tokens: number
  /** Effective number of answers after decay. */
  readonly samples: number
}

/** What is asked of a model changes more slowly than how busy nodes are. */
export const lengthHalfLifeMs = 60 * 60_000
/** What has faded to less says nothing any more. */
const samplesMin = 0.5
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

  /** undefined: none was seen lately. */
  of(model: string, nowMs: number): AnswerLength | undefined {
    const known = this.#known.get(model)
    if (known === undefined) return undefined
    const samples = known.weight * fade(known.atMs, nowMs, lengthHalfLifeMs)
    if (samples < samplesMin) return undefined
    return { tokens: rounded(Math.exp(known.mean)), samples: rounded(samples) }
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(2))
}
