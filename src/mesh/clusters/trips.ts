/** Round trips that were measured, of the last few peers; each near or far, with hysteresis. */
import type { NodeId } from '../../protocol/index.ts'
import { clusterLimits } from './limits.ts'

export interface MeasuredTrip {
  /** Median of the last few; of two the shorter. */
  readonly ms: number
  readonly isFar: boolean
  readonly samples: number
  readonly atMs: number
}

interface Kept {
  ms: number
  isFar: boolean
  samples: number
  atMs: number
  recent: number[]
}

export class Trips {
  readonly #boundMs: number
  /** In the order in which they were first measured. */
  readonly #kept = new Map<NodeId, Kept>()

  constructor(boundMs: number) {
    this.#boundMs = boundMs
  }

  get size(): number {
    return this.#kept.size
  }

  get(id: NodeId): MeasuredTrip | undefined {
    return this.#kept.get(id)
  }

  /** @returns whether it has become far or near by this */
  record(id: NodeId, ms: number, nowMs: number): boolean {
    const { samplesKept, enterShare, returnShare } = clusterLimits
    let kept = this.#kept.get(id)
    const isFirst = kept === undefined
    if (kept === undefined) {
      this.#makeRoom()
      kept = { ms, isFar: false, samples: 0, atMs: nowMs, recent: [] }
      this.#kept.set(id, kept)
    }
    if (kept.recent.length >= samplesKept) kept.recent.shift()
    kept.recent.push(ms)
    kept.samples += 1
    kept.atMs = nowMs
    kept.ms = lowerMedian(kept.recent)
    const wasFar = kept.isFar
    // Until it has been tried thrice, the first impression may be mended from far to near.
    const isYoung = kept.samples <= clusterLimits.probeTries
    const share = isYoung && (isFirst || wasFar) ? enterShare : wasFar ? returnShare : 1
    kept.isFar = kept.ms > share * this.#boundMs
    return isFirst || kept.isFar !== wasFar
  }

  #makeRoom(): void {
    if (this.#kept.size < clusterLimits.tripsMax) return
    let oldest: NodeId | undefined
    let oldestAtMs = Number.POSITIVE_INFINITY
    for (const [id, { atMs }] of this.#kept) {
      if (atMs >= oldestAtMs) continue
      oldest = id
      oldestAtMs = atMs
    }
    if (oldest !== undefined) this.#kept.delete(oldest)
  }
}

/** Of a few, by how many are smaller: nothing is sorted or copied for each probe's answer. */
function lowerMedian(values: readonly number[]): number {
  const { length } = values
  const place = (length - 1) >> 1
  // By index: a loop over numbers makes an object of each.
  for (let i = 0; i < length; i += 1) {
    const value = values[i] as number
    let below = 0
    let same = 0
    for (let j = 0; j < length; j += 1) {
      const other = values[j] as number
      if (other < value) below += 1
      else if (other === value) same += 1
    }
    if (below <= place && place < below + same) return value
  }
  return Number.NaN // none, or none that is a number
}
