/**
 * Gumbel-max sampling: the largest of logit / temperature + Gumbel noise is a draw from the
 * softmax.
 *
 * The noise is a pure function of (seed, position, token id), so the same seed gives the same
 * text on any node, whatever is batched beside it; arithmetic that differs between machines
 * changes a pick only where two perturbed scores nearly tie. Counter: (token id ÷ 4, position, 0,
 * 0); lane: token id mod 4; key: seed.
 */
import { philox4x32 } from './philox.ts'

/**
 * Uniform numbers have 24 bits, as in samplers that work in float32: noise stays below 25 · ln 2,
 * and a token e^−17 times as probable as the best is never picked. That spares the noise for most
 * of a vocabulary.
 */
const noiseMax = 17.33

export class GumbelNoise {
  readonly #key: Uint32Array
  readonly #counter = new Uint32Array(4)
  readonly #words = new Uint32Array(4)

  /** @param seed a whole number; its lower 64 bits count */
  constructor(seed: number | bigint) {
    const whole = BigInt.asUintN(64, BigInt(seed))
    this.#key = Uint32Array.of(Number(whole & 0xffffffffn), Number(whole >> 32n))
  }

  /** @param position how many tokens come before this one, prompt included */
  at(position: number, tokenId: number): number {
    this.#fill(position, tokenId >>> 2)
    return gumbel(this.#words[tokenId & 3] as number)
  }

  /** The best of a row of logits, from `offset` on. Tokens that no noise could lift are skipped. */
  pick(row: Float32Array, offset: number, draw: Draw): number {
    const { logitMax, temperature, position, size, cutLogit, cutId } = draw
    let best = draw.idOfMax
    let bestScore = this.at(position, best)
    let least = Math.max(cutLogit, logitMax - temperature * (noiseMax - bestScore))
    const words = this.#words
    for (let start = 0; start < size; start += 4) {
      const end = Math.min(start + 4, size)
      let filled = false
      for (let id = start; id < end; id += 1) {
        const logit = row[offset + id] as number
        if (!(logit >= least) || (logit === cutLogit && id > cutId)) continue
        if (!filled) this.#fill(position, start >>> 2)
        filled = true
        const word = words[id & 3] as number
        const gap = (logitMax - logit) / temperature
        // noise ≤ (leading ones + 1) · ln 2: spares the logarithms for nearly every token.
        if ((Math.clz32(~word) + 1) * Math.LN2 - gap < bestScore) continue
        const score = gumbel(word) - gap
        if (score > bestScore || (score === bestScore && id < best)) {
          best = id
          bestScore = score
          least = Math.max(cutLogit, logitMax - temperature * (noiseMax - bestScore))
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
  /** How many tokens come before the new one, prompt included. */
  readonly position: number
  readonly size: number
  readonly temperature: number
  readonly logitMax: number
  readonly idOfMax: number
  /** The last token that may be picked, in the order "higher logit, then lower id". */
  readonly cutLogit: number
  readonly cutId: number
}

function gumbel(word: number): number {
  return -Math.log(-Math.log(((word >>> 8) + 0.5) / 16777216))
}
