/**
 * Which tokens may be picked: min_p, then top_k, then top_p over what remains (renormalised).
 *
 * No sort of the vocabulary: tokens within a gap of the best are gathered, the gap is doubled until enough
 * are there, and only these are sorted.
 */
export interface Scale {
  readonly logitMax: number
  readonly temperature: number
}

export interface Truncation extends Scale {
  /** 0: off. */
  readonly topK: number
  /** 1: off. */
  readonly topP: number
  /** 0: off. */
  readonly minP: number
}

/** Of a softmax, tokens further than this below the best weigh e^−6 of it or less. */
const firstGap = 6
/** Beyond this gap a weight is zero even in float64. */
const lastGap = 750
/** Ids fit into 20 bits, so that a logit's 32 bits and the id make one exact float64 key. */
const idLimit = 2 ** 20

/** Buffers for one vocabulary; used by one call at a time. */
export class CandidateSet {
  readonly ids: Int32Array
  readonly logits: Float32Array
  count = 0
  readonly #keys: Float64Array
  readonly #float = new Float32Array(1)
  readonly #bits = new Uint32Array(this.#float.buffer)

  constructor(vocabularySize: number) {
    this.ids = new Int32Array(vocabularySize)
    this.logits = new Float32Array(vocabularySize)
    this.#keys = new Float64Array(vocabularySize)
  }

  /**
   * Fills `ids` and `logits`, best first, ties by lowest id.
   * @param row logits of the vocabulary, from `offset` on
   */
  select(row: Float32Array, offset: number, truncation: Truncation): void {
    const size = this.ids.length
    const { logitMax, temperature, topK, topP, minP } = truncation
    const gapMax = minP > 0 ? -Math.log(minP) : lastGap
    const limited = topK > 0 && topK < size
    const total =
      !limited && minP <= 0 && topP < 1 ? weightOf(row, { offset, size }, truncation) : 0
    let gap = minP > 0 && !limited ? gapMax : Math.min(firstGap, gapMax)
    for (;;) {
      const least = gap >= lastGap ? Number.NEGATIVE_INFINITY : logitMax - gap * temperature
      this.#gather(row, offset, least)
      if (gap >= gapMax) break
      if (limited ? this.count >= topK : this.#weight(truncation) >= topP * total) break
      gap = Math.min(gap * 2, gapMax)
    }
    this.#sort(row, offset)
    if (limited) this.count = Math.min(this.count, topK)
    if (topP < 1) {
      const whole = total > 0 ? total : this.#weight(truncation)
      this.#keepMass(topP * whole, truncation)
    }
  }

  #gather(row: Float32Array, offset: number, least: number): void {
    const size = this.ids.length
    const { ids, logits } = this
    let count = 0
    for (let id = 0; id < size; id += 1) {
      const logit = row[offset + id] as number
      if (logit >= least) {
        ids[count] = id
        logits[count] = logit
        count += 1
      }
    }
    this.count = count
  }

  #weight(scale: Scale): number {
    return weightOf(this.logits, { offset: 0, size: this.count }, scale)
  }

  #sort(row: Float32Array, offset: number): void {
    const keys = this.#keys.subarray(0, this.count)
    for (let i = 0; i < keys.length; i += 1) {
      // Adding zero makes −0 and 0 the tie that they are.
      this.#float[0] = (this.logits[i] as number) + 0
      const bits = this.#bits[0] as number
      const descending = (bits & 0x80000000 ? bits : ~bits & 0x7fffffff) >>> 0
      keys[i] = descending * idLimit + (this.ids[i] as number)
    }
    keys.sort()
    for (let i = 0; i < keys.length; i += 1) {
      const id = (keys[i] as number) % idLimit
      this.ids[i] = id
      this.logits[i] = row[offset + id] as number
    }
  }

  /** Keeps the smallest prefix that weighs at least `mass`, and at least one. */
  #keepMass(mass: number, scale: Scale): void {
    const { logitMax, temperature } = scale
    let sum = 0
    for (let i = 0; i < this.count; i += 1) {
      sum += Math.exp(((this.logits[i] as number) - logitMax) / temperature)
      if (sum >= mass) {
        this.count = i + 1
        return
      }
    }
  }
}

interface Span {
  readonly offset: number
  readonly size: number
}

/** The sum of exp((logit − logitMax) / temperature). A NaN weighs nothing. */
function weightOf(row: Float32Array, span: Span, scale: Scale): number {
  const { offset, size } = span
  const { logitMax, temperature } = scale
  let sum = 0
  for (let i = 0; i < size; i += 1) {
    const weight = Math.exp(((row[offset + i] as number) - logitMax) / temperature)
    if (weight > 0) sum += weight
  }
  return sum
}
