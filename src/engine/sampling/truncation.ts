/**
 * Which tokens may be picked: min_p, then top_k, then top_p over what remains (renormalised).
 *
 * All three keep the first tokens in the order "higher logit, then lower id", so together they
 * are one cut in that order. It is found without sorting the vocabulary: tokens are counted and
 * weighed in bins by their distance from the best, and only the bin with the cut in it is sorted.
 */
export interface Truncation {
  readonly logitMax: number
  readonly temperature: number
  /** 0: off. */
  readonly topK: number
  /** 1: off. */
  readonly topP: number
  /** 0: off. */
  readonly minP: number
}

const binsPerUnit = 8
/** The last bin takes all that weighs e^−64 of the best or less. */
const binCount = 512
/** Ids fit into 20 bits, so that a logit's 32 bits and the id make one exact float64 key. */
const idLimit = 2 ** 20

/** Buffers for one vocabulary; used by one call at a time. */
export class Truncator {
  /** The last token that is kept, in the order "higher logit, then lower id". */
  cutLogit = Number.NEGATIVE_INFINITY
  cutId = idLimit
  readonly #size: number
  readonly #counts = new Uint32Array(binCount)
  readonly #masses = new Float64Array(binCount)
  readonly #keys: Float64Array
  readonly #float = new Float32Array(1)
  readonly #bits = new Uint32Array(this.#float.buffer)

  constructor(vocabularySize: number) {
    this.#size = vocabularySize
    this.#keys = new Float64Array(vocabularySize)
  }

  /** Sets the cut for logits of the whole vocabulary, from `offset` on. */
  cut(row: Float32Array, offset: number, truncation: Truncation): void {
    const { logitMax, temperature, topK, topP, minP } = truncation
    this.cutLogit = minP > 0 ? logitMax + temperature * Math.log(minP) : Number.NEGATIVE_INFINITY
    this.cutId = idLimit
    const limited = topK > 0 && topK < this.#size
    if (!limited && topP >= 1) return
    this.#fillBins(row, offset, truncation)
    if (limited) this.#cutAtCount(row, offset, truncation)
    if (topP < 1) this.#cutAtMass(row, offset, truncation)
  }

  #fillBins(row: Float32Array, offset: number, truncation: Truncation): void {
    const { logitMax, temperature, topP } = truncation
    const [counts, masses, size, least] = [this.#counts, this.#masses, this.#size, this.cutLogit]
    const scale = 1 / temperature
    counts.fill(0)
    masses.fill(0)
    for (let id = 0; id < size; id += 1) {
      const logit = row[offset + id] as number
      if (!(logit >= least)) continue
      const gap = (logitMax - logit) * scale
      const bin = binOf(gap)
      counts[bin] = (counts[bin] as number) + 1
      if (topP < 1) masses[bin] = (masses[bin] as number) + Math.exp(-gap)
    }
  }

  /**
   * Keeps the first `topK`; bins beyond are emptied, the one with the cut weighs what is kept of
   * it.
   */
  #cutAtCount(row: Float32Array, offset: number, truncation: Truncation): void {
    let before = 0
    let bin = 0
    while (bin < binCount && before + (this.#counts[bin] as number) < truncation.topK) {
      before += this.#counts[bin] as number
      bin += 1
    }
    if (bin === binCount) return
    const keys = this.#sortBin(row, offset, { truncation, bin })
    const kept = truncation.topK - before
    let mass = 0
    for (let i = 0; i < kept; i += 1) mass += this.#weightOf(keys, i, { row, offset, truncation })
    this.#setCut(keys, kept - 1, { row, offset })
    this.#masses[bin] = mass
    this.#masses.fill(0, bin + 1)
  }

  /** Keeps the shortest beginning that weighs `topP` of what is left, and at least one token. */
  #cutAtMass(row: Float32Array, offset: number, truncation: Truncation): void {
    const total = this.#masses.reduce((sum, mass) => sum + mass, 0)
    const wanted = truncation.topP * total
    let before = 0
    let bin = 0
    while (bin < binCount && before + (this.#masses[bin] as number) < wanted) {
      before += this.#masses[bin] as number
      bin += 1
    }
    // Only rounding can leave the sum short; then everything is kept.
    if (bin === binCount) return
    const keys = this.#sortBin(row, offset, { truncation, bin })
    for (let i = 0; i < keys.length; i += 1) {
      before += this.#weightOf(keys, i, { row, offset, truncation })
      if (before >= wanted) {
        this.#setCut(keys, i, { row, offset })
        return
      }
    }
  }

  /** Keys of the bin's tokens above the present cut, in order. */
  #sortBin(row: Float32Array, offset: number, at: { truncation: Truncation; bin: number }) {
    const { logitMax, temperature } = at.truncation
    const scale = 1 / temperature
    let count = 0
    for (let id = 0; id < this.#size; id += 1) {
      const logit = row[offset + id] as number
      if (!this.#keeps(logit, id) || binOf((logitMax - logit) * scale) !== at.bin) continue
      // Adding zero makes −0 and 0 the tie that they are.
      this.#float[0] = logit + 0
      const bits = this.#bits[0] as number
      const descending = (bits & 0x80000000 ? bits : ~bits & 0x7fffffff) >>> 0
      this.#keys[count] = descending * idLimit + id
      count += 1
    }
    return this.#keys.subarray(0, count).sort()
  }

  #keeps(logit: number, id: number): boolean {
    return logit > this.cutLogit || (logit === this.cutLogit && id <= this.cutId)
  }

  #weightOf(keys: Float64Array, i: number, at: Row & { truncation: Truncation }): number {
    const { logitMax, temperature } = at.truncation
    const logit = at.row[at.offset + ((keys[i] as number) % idLimit)] as number
    return Math.exp((logit - logitMax) / temperature)
  }

  #setCut(keys: Float64Array, i: number, { row, offset }: Row): void {
    this.cutId = (keys[i] as number) % idLimit
    this.cutLogit = row[offset + this.cutId] as number
  }
}

interface Row {
  readonly row: Float32Array
  readonly offset: number
}

function binOf(gap: number): number {
  return gap * binsPerUnit < binCount - 1 ? (gap * binsPerUnit) | 0 : binCount - 1
}
