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

  get sightings(): readonly Sighting[] {
    return this.#sightings
  }

  get latestAtMs(): number {
    return this.#sightings.reduce((latest, { atMs }) => Math.max(latest, atMs), -Infinity)
  }

  add(sighting: Sighting): void {
    const all = this.#sightings
    const known = all.findIndex(({ link }) => link === sighting.link)
    if (known >= 0) all[known] = sighting
    else if (all.length < sightingsMax) all.push(sighting)
    // Not the oldest: who is measured last in a round would push out all others, round by round.
    else all[hashOf(sighting.link) % sightingsMax] = sighting
  }

  weight(nowMs: number): number {
    return this.#sightings.reduce((sum, sighting) => sum + weightOf(sighting, nowMs), 0)
  }

  /** Medians over the links, weighted by age: a minority of wild ones moves little. */
  summary(expectedMs: (fibreMs: number) => number, nowMs: number): Summary {
    const all = this.#sightings
    const weights = all.map((sighting) => weightOf(sighting, nowMs))
    const median = (measure: (sighting: Sighting) => number) =>
      weightedMedian(all.map(measure), weights)
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const lost = all.reduce((sum, { loss }, i) => sum + loss * (weights[i] ?? 0), 0)
    return {
      excess: median(({ medianMs, fibreMs }) => Math.log(medianMs / expectedMs(fibreMs))),
      tail: median(({ p95Ms, medianMs }) => Math.log(p95Ms / medianMs)),
      unrest: median(({ jitterMs, medianMs }) => jitterMs / medianMs),
      // Most links lose nothing, and the median would say so of all.
      loss: lost / total,
    }
  }
}

/** Between the two middle values where the weights are in balance. */
export function weightedMedian(values: readonly number[], weights: readonly number[]): number {
  const order = values.map((value, i) => ({ value, weight: weights[i] ?? 0 }))
  order.sort((a, b) => a.value - b.value)
  const half = order.reduce((sum, { weight }) => sum + weight, 0) / 2
  let below = 0
  for (const [i, { value, weight }] of order.entries()) {
    below += weight
    if (below > half * (1 + 1e-9)) return value
    if (below >= half * (1 - 1e-9)) return (value + (order[i + 1]?.value ?? value)) / 2
  }
  return Number.NaN
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  }
  return hash
}
