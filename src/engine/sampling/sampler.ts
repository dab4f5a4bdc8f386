/**
 * Picks the next token of one answer from its logits. Pure: the same logits, settings and tokens
 * so far give the same token, with no state but the counts of earlier tokens.
 */
import { IsochroneError, type Sampling } from '../../protocol/index.ts'
import { GumbelNoise } from './gumbel.ts'
import { Penalties } from './penalties.ts'
import { Truncator } from './truncation.ts'

/** Temperatures below this would only overflow; they are greedy. */
const temperatureMin = 1e-6

/** Buffers that all samplers of one model share; one pick at a time. */
export class SamplingBuffers {
  readonly logits: Float32Array
  readonly truncator: Truncator

  constructor(vocabularySize: number) {
    this.logits = new Float32Array(vocabularySize)
    this.truncator = new Truncator(vocabularySize)
  }
}

export interface SamplerOptions {
  readonly sampling: Sampling
  /** Which of the request's answers: answer i uses seed + i. */
  readonly choice: number
  readonly promptIds: readonly number[]
  readonly vocabularySize: number
  readonly buffers: SamplingBuffers
}

export class Sampler {
  readonly #sampling: Sampling
  readonly #penalties: Penalties
  readonly #penalised: boolean
  readonly #noise: GumbelNoise | null
  readonly #buffers: SamplingBuffers
  readonly #size: number

  /** Errors: `invalid_request`. */
  constructor(options: SamplerOptions) {
    const { sampling, choice, promptIds, vocabularySize } = options
    this.#sampling = sampling
    this.#size = vocabularySize
    this.#buffers = options.buffers
    this.#penalties = new Penalties(sampling, promptIds, vocabularySize)
    this.#penalised = this.#penalties.active
    this.#noise =
      sampling.temperature < temperatureMin
        ? null
        : new GumbelNoise(BigInt(sampling.seed) + BigInt(choice))
  }

  /**
   * The next token.
   * @param rows logits; this answer's begin at `offset`
   * @param position how many tokens come before the new one, prompt included
   */
  pick(rows: Float32Array, offset: number, position: number): number {
    let row = rows
    let from = offset
    if (this.#penalised) {
      row = this.#buffers.logits
      row.set(rows.subarray(offset, offset + this.#size))
      this.#penalties.apply(row)
      from = 0
    }
    const id = this.#choose(row, from, position)
    if (this.#penalised) this.#penalties.accept(id)
    return id
  }

  /** A token was picked elsewhere. */
  accept(tokenId: number): void {
    if (this.#penalised) this.#penalties.accept(tokenId)
  }

  #choose(row: Float32Array, offset: number, position: number): number {
    const idOfMax = argmax(row, offset, this.#size)
    const logitMax = idOfMax < 0 ? Number.NaN : (row[offset + idOfMax] as number)
    if (!Number.isFinite(logitMax)) {
      throw new IsochroneError(
        'engine_failed',
        'The model’s logits are not finite numbers; its weights or this machine’s arithmetic ' +
          'are broken.',
      )
    }
    if (this.#noise === null) return idOfMax
    const { temperature, topK, topP, minP } = this.#sampling
    const { truncator } = this.#buffers
    truncator.cut(row, offset, { logitMax, temperature, topK, topP, minP })
    return this.#noise.pick(row, offset, {
      position,
      size: this.#size,
      temperature,
      logitMax,
      idOfMax,
      cutLogit: truncator.cutLogit,
      cutId: truncator.cutId,
    })
  }
}

/** The index of the largest number, the lowest on ties; −1 where there is none. */
export function argmax(row: Float32Array, offset: number, size: number): number {
  let best = -1
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < size; i += 1) {
    const value = row[offset + i] as number
    if (value > most) {
      most = value
      best = i
    }
  }
  return best
}
