/** What was measured of one link, and what several such measurements say together. */
import type { Cell } from './cells.ts'

/** One link between two cells, as it was measured last. Shared by all pairs that it counts for. */
export interface Sighting {
  /** Which link: it has one voice, however often it is measured. */
  readonly link: string
  readonly from: Cell
  readonly to: Cell
  readonly atMs: number
  /** Round trip of light in fibre between the two cells' centres. */
  readonly fibreMs: number
  readonly medianMs: number
  readonly p95Ms: number
  readonly jitterMs: number
  /** Share of probes, 0 to 1. */
  readonly loss: number
}

/** Relative to what the model expects, so that cells of any size compare. */
export interface Summary {
  /** ln (measured ÷ expected). */
  readonly excess: number
  /** ln (95th percentile ÷ median). */
  readonly tail: number
  /** Jitter ÷ median. */
  readonly unrest: number
  readonly loss: number
}

/**
 * A measurement counts half after this long. Routes of regions change over days, and queues over
 * the hours of a day.
 */
const halfLifeMs = 3 * 60 * 60 * 1000
/** Six half-lives: what is older says less than the neighbours do. */
export const sightingLifeMs = 6 * halfLifeMs

/** Links that speak for one pair of cells; more would not move a median. 2 KB. */
const sightingsMax = 16

export function weightOf(sighting: Sighting, nowMs: number): number {
  return 2 ** (-Math.max(0, nowMs - sighting.atMs) / halfLifeMs)
}

/** One pair of cells: the latest sightings of its links. */
export class PairRecord {
  readonly #sightings: Sighting[] = []
  #latestAtMs = Number.NEGATIVE_INFINITY

  get sightings(): readonly Sighting[] {
    return this.#sightings
  }

  get latestAtMs(): number {
    return this.#latestAtMs
  }

  add(sighting: Sighting): void {
    const all = this.#sightings
    this.#latestAtMs = Math.max(this.#latestAtMs, sighting.atMs)
    const known = all.findIndex(({ link }) => link === sighting.link)
    if (known >= 0) all[known] = sighting
    else if (all.length < sightingsMax) all.push(sighting)
    // Not the oldest: who is measured last in a round would push out all others, round by round.
    else all[hashOf(sighting.link) % sightingsMax] = sighting
  }

  weight(nowMs: number): number {
    let sum = 0
    for (const sighting of this.#sightings) sum += weightOf(sighting, nowMs)
    return sum
  }

  /** Medians over the links, weighted by age: a minority of wild ones moves little. */
  summary(expectedMs: (fibreMs: number) => number, nowMs: number): Summary {
    const all = this.#sightings
    const excess = new WeightedValues(all.length)
    const tail = new WeightedValues(all.length)
    const unrest = new WeightedValues(all.length)
    let total = 0
    let lost = 0
    for (const sighting of all) {
      const { fibreMs, medianMs, p95Ms, jitterMs, loss } = sighting
      const weight = weightOf(sighting, nowMs)
      excess.add(medianMs / expectedMs(fibreMs), weight)
      tail.add(p95Ms / medianMs, weight)
      unrest.add(jitterMs / medianMs, weight)
      total += weight
      lost += weight * loss
    }
    return {
      excess: Math.log(excess.median()),
      tail: Math.log(tail.median()),
      unrest: unrest.median(),
      // Most links lose nothing, and the median would say so of all.
      loss: lost / total,
    }
  }
}

/** A few values with weights, kept in order as they come. */
export class WeightedValues {
  readonly #values: Float64Array
  readonly #weights: Float64Array
  #count = 0
  #total = 0

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity)
    this.#weights = new Float64Array(capacity)
  }

  add(value: number, weight: number): void {
    let at = this.#count
    for (; at > 0 && this.#valueAt(at - 1) > value; at -= 1) {
      this.#values[at] = this.#valueAt(at - 1)
      this.#weights[at] = this.#weights[at - 1] ?? 0
    }
    this.#values[at] = value
    this.#weights[at] = weight
    this.#count += 1
    this.#total += weight
  }

  /** Between the two middle values where the weights are in balance. */
  median(): number {
    const half = this.#total / 2
    let below = 0
    for (let i = 0; i < this.#count; i += 1) {
      below += this.#weights[i] ?? 0
      if (below > half * (1 + 1e-9)) return this.#valueAt(i)
      if (below < half * (1 - 1e-9)) continue
      return (this.#valueAt(i) + this.#valueAt(Math.min(i + 1, this.#count - 1))) / 2
    }
    return Number.NaN
  }

  #valueAt(index: number): number {
    return this.#values[index] ?? Number.NaN
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  }
  return hash
}
