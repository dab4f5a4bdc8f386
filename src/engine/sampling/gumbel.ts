/**
 * Gumbel-max sampling: the largest of logit / temperature + Gumbel noise is a draw from the softmax.
 *
 * The noise is a pure function of (seed, position, token id), so the same seed gives the same text on any
 * node, whatever is batched beside it; arithmetic that differs between machines changes a pick only where
 * two perturbed scores nearly tie. Counter: (token id ÷ 4, position, 0, 0); lane: token id mod 4; key: seed.
 */
import { philox4x32 } from './philox.ts'

/** Noise never exceeds −ln(−ln(1 − 2^−33)). */
const noiseMax = 22.88
const ln2 = Math.LN2

export class GumbelNoise {
  readonly #key: Uint32Array
  readonly #counter = new Uint32Array(4)
  readonly #words = new Uint32Array(4)

  /** @param seed a whole number; its lower 64 bits count */
  constructor(seed: number) {
    this.#key = Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32))
  }

  /** @param position how many tokens come before this one, prompt included */
  at(position: number, tokenId: number): number {
    this.#fill(position, tokenId >>> 2)
    return gumbel(this.#words[tokenId & 3] as number)
  }

  /**
   * The best of `count` candidates.
   * @param ids candidate token ids
   * @param logits their logits, as `ids`
   */
  pickAmong(ids: Int32Array, logits: Float32Array, count: number, draw: Draw): number {
    let best = -1
    let bestScore = Number.NEGATIVE_INFINITY
    for (let i = 0; i < count; i += 1) {
      const id = ids[i] as number
      const gap = (draw.logitMax - (logits[i] as number)) / draw.temperature
      if (noiseMax - gap < bestScore) continue
      const score = this.at(draw.position, id) - gap
      if (score > bestScore || (score === bestScore && id < best)) {
        best = id
        bestScore = score
      }
    }
    return best
  }

  /** The best of a whole row of logits. Tokens that no noise could lift are skipped. */
  pickFromRow(row: Float32Array, offset: number, size: number, draw: Draw): number {
    const { logitMax, temperature, position } = draw
    let best = draw.idOfMax
    let bestScore = this.at(position, best)
    let least = logitMax - temperature * (noiseMax - bestScore)
    const words = this.#words
    for (let start = 0; start < size; start += 4) {
      const end = Math.min(start + 4, size)
      let filled = false
      for (let id = start; id < end; id += 1) {
        const logit = row[offset + id] as number
        if (!(logit >= least)) continue
        if (!filled) this.#fill(position, start >>> 2)
        filled = true
        const word = words[id & 3] as number
        const gap = (logitMax - logit) / temperature
        // noise ≤ (leading ones + 1) · ln 2: spares the logarithms for nearly every token.
        if ((Math.clz32(~word) + 1) * ln2 - gap < bestScore) continue
        const score = gumbel(word) - gap
        if (score > bestScore || (score === bestScore && id < best)) {
          best = id
          bestScore = score
          least = logitMax - temperature * (noiseMax - bestScore)
        }
      }
    }
    return best
  }

  #fill(position: number, block: number): void {
    this.#counter[0] = block
    this.#counter[1] = position
    philox4x32(this.#counter, this.#key, this.#words)
  }
}

export interface Draw {
  readonly position: number
  readonly temperature: number
  readonly logitMax: number
  readonly idOfMax: number
}

function gumbel(word: number): number {
  return -Math.log(-Math.log((word + 0.5) / 4294967296))
}
