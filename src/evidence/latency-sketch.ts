/**
 * The times of one worker at one load as a fading histogram, from which the share within a limit
 * and quantiles are read.
 *
 * Buckets of a constant ratio, so that the error is relative, as in DDSketch (Masson, Rim and Lee,
 * 2019). Fading is done forward (Cormode et al., 2009): what is new weighs more, and nothing that
 * lies there is touched, until the weights would outgrow their numbers.
 */

/** Three buckets to each doubling: a time is known to 12 %. */
const bucketsPerDoubling = 3
/** From under 1 ms to over 65 s. */
const buckets = 2 + 16 * bucketsPerDoubling
/** Half of what single precision holds; then all weights are scaled down once. */
const doublingsMax = 60

/** All that a sketch is made of. */
export interface SketchState {
  readonly halfLifeMs: number
  readonly landmarkMs: number
  readonly total: number
  readonly latestMs: number
  /** What is not 0, by bucket. */
  readonly weights: readonly (readonly [bucket: number, weight: number])[]
}

export class LatencySketch {
  readonly #halfLifeMs: number
  /** Single precision: a record has up to six of these, and there are thousands of records. */
  readonly #weights = new Float32Array(buckets)
  #landmarkMs = 0
  #total = 0
  #latestMs = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  static from({ halfLifeMs, landmarkMs, total, latestMs, weights }: SketchState): LatencySketch {
    const sketch = new LatencySketch(halfLifeMs)
    sketch.#landmarkMs = landmarkMs
    sketch.#total = total
    sketch.#latestMs = latestMs
    for (const [bucket, weight] of weights) sketch.#weights[bucket] = weight
    return sketch
  }

  state(): SketchState {
    const weights: [number, number][] = []
    for (const [bucket, weight] of this.#weights.entries()) {
      if (weight !== 0) weights.push([bucket, weight])
    }
    return {
      halfLifeMs: this.#halfLifeMs,
      landmarkMs: this.#landmarkMs,
      total: this.#total,
      latestMs: this.#latestMs,
      weights,
    }
  }

  add(valueMs: number, atMs: number): void {
    if (this.#total === 0) this.#landmarkMs = atMs
    const doublings = (atMs - this.#landmarkMs) / this.#halfLifeMs
    if (doublings > doublingsMax) this.#rescale(atMs)
    const weight = 2 ** ((atMs - this.#landmarkMs) / this.#halfLifeMs)
    const bucket = bucketOf(valueMs)
    this.#weights[bucket] = (this.#weights[bucket] ?? 0) + weight
    this.#total += weight
    this.#latestMs = Math.max(this.#latestMs, atMs)
  }

  /** Observations that still count. */
  samples(now: number): number {
    if (this.#total === 0) return 0
    const sinceMs = Math.max(now, this.#latestMs) - this.#landmarkMs
    return this.#total / 2 ** (sinceMs / this.#halfLifeMs)
  }

  /** The share of what was seen that was at most this; 0 where nothing was. */
  within(limitMs: number): number {
    if (this.#total === 0) return 0
    const place = placeOf(limitMs)
    const whole = Math.min(buckets - 1, Math.floor(place))
    let sum = 0
    for (let i = 0; i < whole; i += 1) sum += this.#weights[i] ?? 0
    // Within its bucket a limit takes its part of it; beyond the last one nobody knows.
    const part = whole === buckets - 1 ? 0 : place - whole
    return Math.min(1, (sum + (this.#weights[whole] ?? 0) * part) / this.#total)
  }

  /** undefined: nothing was seen. */
  quantile(share: number): number | undefined {
    if (this.#total === 0) return undefined
    const wanted = share * this.#total
    let sum = 0
    for (let i = 0; i < buckets; i += 1) {
      const weight = this.#weights[i] ?? 0
      if (sum + weight >= wanted && weight > 0) return valueAt(i + (wanted - sum) / weight)
      sum += weight
    }
    return valueAt(buckets)
  }

  #rescale(atMs: number): void {
    const factor = 2 ** ((this.#landmarkMs - atMs) / this.#halfLifeMs)
    this.#total = 0
    for (let i = 0; i < buckets; i += 1) {
      const weight = (this.#weights[i] ?? 0) * factor
      this.#weights[i] = weight
      this.#total += weight
    }
    this.#landmarkMs = atMs
  }
}

/** In buckets, with its fraction: the first one ends at 1 ms. */
function placeOf(valueMs: number): number {
  if (!(valueMs > 1)) return Math.max(0, valueMs)
  return Math.min(buckets, 1 + Math.log2(valueMs) * bucketsPerDoubling)
}

function bucketOf(valueMs: number): number {
  return Math.min(buckets - 1, Math.floor(placeOf(valueMs)))
}

function valueAt(place: number): number {
  return place <= 1 ? place : 2 ** ((place - 1) / bucketsPerDoubling)
}
