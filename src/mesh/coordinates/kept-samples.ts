/**
 * What a node remembers of the peers that it measured: for each the filtered round trip and the
 * coordinate that was heard last. In typed arrays, because all of them are read for each sample.
 */
import type { NodeId } from '../../protocol/index.ts'
import { type Coordinate, coordinateLimits } from './coordinate.ts'

export const keptLimits = Object.freeze({
  /** 24 still settle, less exactly; beyond 40 the oldest are too stale to help within a minute. */
  peersMax: 40,
  /** Round trips per peer that the filter sees: Ledlie, Gardner, Seltzer, 2007, use four. */
  roundTripsMax: 4,
})

const { dimensions } = coordinateLimits

export class KeptSamples {
  readonly #slotOf = new Map<NodeId, number>()
  readonly #ids: NodeId[] = []
  readonly #latestMs: Float64Array
  readonly #counts: Float64Array
  readonly #measuredAtMs: Float64Array
  readonly #octaves = new Uint8Array(keptLimits.peersMax)
  /** By slot, `dimensions` each. */
  readonly positions: Float64Array
  readonly heightsMs: Float64Array
  readonly errors: Float64Array
  readonly heardAtMs: Float64Array
  readonly roundTripsMs: Float64Array

  constructor() {
    const columns = new Columns()
    this.#latestMs = columns.take(keptLimits.roundTripsMax)
    this.#counts = columns.take(1)
    this.#measuredAtMs = columns.take(1)
    this.positions = columns.take(dimensions)
    this.heightsMs = columns.take(1)
    this.errors = columns.take(1)
    this.heardAtMs = columns.take(1)
    this.roundTripsMs = columns.take(1)
  }

  get size(): number {
    return this.#ids.length
  }

  has(id: NodeId): boolean {
    return this.#slotOf.has(id)
  }

  /** Whose coordinate was heard the longest time ago. */
  get stalest(): NodeId | undefined {
    let stalest = 0
    for (let slot = 1; slot < this.size; slot += 1) {
      if ((this.heardAtMs[slot] as number) < (this.heardAtMs[stalest] as number)) stalest = slot
    }
    return this.#ids[stalest]
  }

  /** Of the filtered round trips; NaN for none. */
  medianMs(): number {
    const sorted = this.roundTripsMs.slice(0, this.size).sort()
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  }

  measured(id: NodeId, roundTripMs: number, nowMs: number): void {
    let slot = this.#slotOf.get(id)
    if (slot === undefined) {
      slot = this.size < keptLimits.peersMax ? this.size : this.#slotToClear(roundTripMs)
      const former = this.#ids[slot]
      if (former !== undefined) this.#slotOf.delete(former)
      this.#ids[slot] = id
      this.#slotOf.set(id, slot)
      this.#counts[slot] = 0
    }
    const count = this.#counts[slot] as number
    const first = slot * keptLimits.roundTripsMax
    this.#latestMs[first + (count % keptLimits.roundTripsMax)] = roundTripMs
    this.#counts[slot] = count + 1
    this.#measuredAtMs[slot] = nowMs
    const filteredMs = lowQuartile(this.#latestMs, first, count + 1)
    this.roundTripsMs[slot] = filteredMs
    this.#octaves[slot] = octaveOf(filteredMs)
  }

  /** Only of peers that were measured. */
  heard(id: NodeId, coordinate: Coordinate, nowMs: number): void {
    const slot = this.#slotOf.get(id)
    if (slot === undefined) return
    for (let axis = 0; axis < dimensions; axis += 1) {
      this.positions[slot * dimensions + axis] = coordinate.position[axis] as number
    }
    this.heightsMs[slot] = coordinate.heightMs
    this.errors[slot] = coordinate.error
    this.heardAtMs[slot] = nowMs
  }

  forget(id: NodeId): void {
    const slot = this.#slotOf.get(id)
    if (slot === undefined) return
    const last = this.size - 1
    const lastId = this.#ids[last] as NodeId
    this.#slotOf.set(lastId, slot)
    this.#slotOf.delete(id)
    this.#ids[slot] = lastId
    this.#ids.pop()
    if (slot !== last) this.#move(last, slot)
  }

  /**
   * The peers of a cluster are measured far more often than those abroad, and must not drive them
   * out: a position needs both. So the oldest goes of the octave of round trips that has the most.
   */
  #slotToClear(roundTripMs: number): number {
    const perOctave = new Uint8Array(octaves)
    perOctave[octaveOf(roundTripMs)] = 1
    for (let slot = 0; slot < this.size; slot += 1) {
      const octave = this.#octaves[slot] as number
      perOctave[octave] = (perOctave[octave] as number) + 1
    }
    const fullest = indexOfMost(perOctave)
    let oldest = -1
    for (let slot = 0; slot < this.size; slot += 1) {
      if (this.#octaves[slot] !== fullest) continue
      const atMs = this.#measuredAtMs[slot] as number
      if (oldest < 0 || atMs < (this.#measuredAtMs[oldest] as number)) oldest = slot
    }
    return oldest
  }

  #move(from: number, to: number): void {
    const { roundTripsMax } = keptLimits
    this.#latestMs.copyWithin(to * roundTripsMax, from * roundTripsMax, (from + 1) * roundTripsMax)
    this.positions.copyWithin(to * dimensions, from * dimensions, (from + 1) * dimensions)
    for (const column of [
      this.#counts,
      this.#measuredAtMs,
      this.#octaves,
      this.heightsMs,
      this.errors,
      this.heardAtMs,
      this.roundTripsMs,
    ]) {
      column.copyWithin(to, from, from + 1)
    }
  }
}

/** Parts of one block of memory: a block for each would cost as much again. */
class Columns {
  static readonly #widths = keptLimits.roundTripsMax + dimensions + 6
  readonly #block = new Float64Array(Columns.#widths * keptLimits.peersMax)
  #taken = 0

  /** @param width numbers per slot */
  take(width: number): Float64Array {
    const from = this.#taken
    this.#taken += width * keptLimits.peersMax
    return this.#block.subarray(from, this.#taken)
  }
}

function indexOfMost(counts: Uint8Array): number {
  let most = 0
  for (let index = 1; index < counts.length; index += 1) {
    if ((counts[index] as number) > (counts[most] as number)) most = index
  }
  return most
}

/** From below 1 ms to above 16 s. */
const octaves = 16

function octaveOf(roundTripMs: number): number {
  return Math.max(0, Math.min(octaves - 1, Math.floor(Math.log2(roundTripMs)) + 1))
}

/** The moving percentile of Ledlie et al.: a queue only ever adds, so the path shows low down. */
function lowQuartile(values: Float64Array, first: number, count: number): number {
  const present = Math.min(count, keptLimits.roundTripsMax)
  if (present === 1) return values[first] as number
  const sorted = values.slice(first, first + present).sort()
  const place = 0.25 * (present - 1)
  const below = sorted[Math.floor(place)] as number
  const above = sorted[Math.ceil(place)] as number
  return below + (above - below) * (place - Math.floor(place))
}
