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

const { samplesKept } = clusterLimits
/** Of one peer: the last few round trips, and then these. Eight numbers are a line of the cache. */
const msAt = samplesKept
const atMsAt = samplesKept + 1
/** How many were measured; negative where it is far. */
const samplesAt = samplesKept + 2
const keptLength = samplesKept + 3
const firstPeers = 32

/**
 * A member answers a probe every few seconds, and finds nothing of this in the processor's cache
 * when it is one of thousands in a process. So all lies in one array.
 */
export class Trips {
  readonly #boundMs: number
  /** Where each peer's begins, in the order in which they were first measured. */
  readonly #placeOf = new Map<NodeId, number>()
  #kept = new Float64Array(firstPeers * keptLength)

  constructor(boundMs: number) {
    this.#boundMs = boundMs
  }

  get size(): number {
    return this.#placeOf.size
  }

  has(id: NodeId): boolean {
    return this.#placeOf.has(id)
  }

  /** Median of the last few; of two the shorter. */
  ms(id: NodeId): number | undefined {
    const place = this.#placeOf.get(id)
    return place === undefined ? undefined : this.#kept[place + msAt]
  }

  /** false also where it was never measured. */
  isFar(id: NodeId): boolean {
    const place = this.#placeOf.get(id)
    return place !== undefined && (this.#kept[place + samplesAt] as number) < 0
  }

  /** Whether one trip says other than the last few, of one that was near. */
  isDoubt(id: NodeId, ms: number): boolean {
    return ms > this.#boundMs && !this.isFar(id)
  }

  get(id: NodeId): MeasuredTrip | undefined {
    const place = this.#placeOf.get(id)
    if (place === undefined) return undefined
    const samples = this.#kept[place + samplesAt] as number
    return {
      ms: this.#kept[place + msAt] as number,
      isFar: samples < 0,
      samples: Math.abs(samples),
      atMs: this.#kept[place + atMsAt] as number,
    }
  }

  /** @returns whether it has become far or near by this */
  record(id: NodeId, ms: number, nowMs: number): boolean {
    const { enterShare, returnShare, probeTries } = clusterLimits
    const known = this.#placeOf.get(id)
    const place = known ?? this.#makeRoomFor(id)
    const kept = this.#kept
    const before = kept[place + samplesAt] as number
    const samples = Math.abs(before) + 1
    const wasFar = before < 0
    kept[place + ((samples - 1) % samplesKept)] = ms
    const medianMs = lowerMedian(kept, place, Math.min(samples, samplesKept))
    // Until it has been tried thrice, the first impression may be mended from far to near.
    const isYoung = samples <= probeTries
    const share = isYoung && (samples === 1 || wasFar) ? enterShare : wasFar ? returnShare : 1
    const isFar = medianMs > share * this.#boundMs
    kept[place + msAt] = medianMs
    kept[place + atMsAt] = nowMs
    kept[place + samplesAt] = isFar ? -samples : samples
    return samples === 1 || isFar !== wasFar
  }

  #makeRoomFor(id: NodeId): number {
    const { size } = this.#placeOf
    const place = size < clusterLimits.tripsMax ? size * keptLength : this.#forgetOldest()
    if (place === this.#kept.length) {
      const longer = new Float64Array(2 * place)
      longer.set(this.#kept)
      this.#kept = longer
    }
    this.#kept[place + samplesAt] = 0
    this.#placeOf.set(id, place)
    return place
  }

  /** @returns where it was */
  #forgetOldest(): number {
    let oldest: NodeId | undefined
    let oldestPlace = 0
    let oldestAtMs = Number.POSITIVE_INFINITY
    for (const [id, place] of this.#placeOf) {
      const atMs = this.#kept[place + atMsAt] as number
      if (atMs >= oldestAtMs) continue
      oldest = id
      oldestPlace = place
      oldestAtMs = atMs
    }
    if (oldest !== undefined) this.#placeOf.delete(oldest)
    return oldestPlace
  }
}

/** Of a few, by how many are smaller: nothing is sorted or copied for each probe's answer. */
function lowerMedian(values: Float64Array, from: number, length: number): number {
  const rank = (length - 1) >> 1
  for (let i = from; i < from + length; i += 1) {
    const value = values[i] as number
    let below = 0
    let same = 0
    for (let j = from; j < from + length; j += 1) {
      const other = values[j] as number
      if (other < value) below += 1
      else if (other === value) same += 1
    }
    if (below <= rank && rank < below + same) return value
  }
  return Number.NaN // none, or none that is a number
}
