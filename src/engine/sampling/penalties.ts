/**
 * What changes a model's logits before a token is picked, in this order: repetition penalty
 * (tokens of prompt and answer; Keskar et al., 2019), frequency and presence penalty (tokens of
 * the answer, as OpenAI's), bias.
 */
import { IsochroneError, type Sampling } from '../../protocol/index.ts'

export class Penalties {
  readonly #sampling: Sampling
  readonly #counts = new Map<number, number>()
  readonly #seen: Set<number> | null
  readonly #biasIds: number[] = []
  readonly #biases: number[] = []
  readonly #counting: boolean

  /** Errors: `invalid_request` for a bias on an id outside the vocabulary. */
  constructor(sampling: Sampling, promptIds: readonly number[], vocabularySize: number) {
    this.#sampling = sampling
    this.#counting = sampling.frequencyPenalty !== 0 || sampling.presencePenalty !== 0
    this.#seen = sampling.repetitionPenalty === 1 ? null : new Set(promptIds)
    for (const [token, bias] of Object.entries(sampling.logitBias)) {
      const id = Number(token)
      if (!Number.isSafeInteger(id) || id < 0 || id >= vocabularySize) {
        throw new IsochroneError(
          'invalid_request',
          `logit_bias names the token ${token}; this model's ids are 0 to ${vocabularySize - 1}.`,
          { detail: { param: 'logit_bias' } },
        )
      }
      this.#biasIds.push(id)
      this.#biases.push(bias)
    }
  }

  /** Whether logits are changed at all. */
  get active(): boolean {
    return this.#counting || this.#seen !== null || this.#biasIds.length > 0
  }

  /** A token was added to the answer. */
  accept(tokenId: number): void {
    if (this.#counting) this.#counts.set(tokenId, (this.#counts.get(tokenId) ?? 0) + 1)
    this.#seen?.add(tokenId)
  }

  /** @param logits float32[vocabularySize], changed in place */
  apply(logits: Float32Array): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = this.#sampling
    for (const id of this.#seen ?? []) {
      const logit = logits[id] ?? 0
      if (id < logits.length) {
        logits[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
      }
    }
    for (const [id, count] of this.#counts) {
      logits[id] = (logits[id] ?? 0) - count * frequencyPenalty - presencePenalty
    }
    for (let i = 0; i < this.#biasIds.length; i += 1) {
      const id = this.#biasIds[i] ?? 0
      logits[id] = (logits[id] ?? 0) + (this.#biases[i] ?? 0)
    }
  }
}
