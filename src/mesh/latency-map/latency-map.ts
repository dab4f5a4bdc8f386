/**
 * Round trip, jitter and loss between regions of the earth, learned from measured links.
 *
 * A link counts for the pair of cells at its ends and for the pairs of their ancestors. What is
 * told of two cells begins with a model over all links (path-model.ts) and is drawn, from coarse
 * pairs to fine ones, to what was measured there, the more the more links speak. At every level
 * what is learned is the deviation from the model, so that a coarse pair says “Europe and East
 * Asia: 1.3 times as long as usual”, which holds for near and far ends alike.
 *
 * A measurement that light forbids is not learned: one of the two is not where it says.
 */
import { assert } from '../../base/index.ts'
import { type Cell, type CellGrid, cellResolutions, type Place, type Resolution } from './cells.ts'
import { fibreRoundTripMs, leastRoundTripMs } from './light.ts'
import { PathModel } from './path-model.ts'
import { PairRecord, type Sighting, type Summary, sightingLifeMs } from './sighting.ts'

export interface LinkMeasurement {
  readonly from: Cell
  readonly to: Cell
  /** Names the link, for example by both ends; a link has one voice. Up to 200 characters. */
  readonly link: string
  readonly medianMs: number
  readonly p95Ms: number
  readonly jitterMs: number
  /** Share of probes, 0 to 1. */
  readonly loss: number
}

export type Reception = 'learned' | 'impossible' | 'malformed'

export interface LatencyEstimate {
  readonly medianMs: number
  readonly p95Ms: number
  readonly jitterMs: number
  readonly loss: number
  /** `measured`: between these very cells; `region`: around them; `model`: nothing near. */
  readonly source: 'measured' | 'region' | 'model'
  /** Of the finest cells that were measured; null with `model`. */
  readonly resolution: number | null
  /** How many links that rests on, old ones counting less. */
  readonly links: number
}

export interface MapPair extends LatencyEstimate {
  readonly from: Place
  readonly to: Place
}

/** What survives a restart; plain JSON. */
export interface LatencyMapSnapshot {
  readonly version: 1
  readonly links: readonly SnapshotLink[]
}

export interface SnapshotLink extends LinkMeasurement {
  readonly ageMs: number
}

/** Each has up to 16 links; 8 MB when all are full. A federation of 64 cities has 2,080 pairs. */
export const pairsPerResolutionMax = 4096
/** Longer round trips mean a broken link, not a far one: twice around the earth by satellite. */
const roundTripMsMax = 10_000
/** As many as one resolution's pairs have, and a few MB in a file. */
const snapshotLinksMax = 16_384
/** Below the resolution of the machines' clocks. */
const roundTripMsMin = 0.001
/** Two node ids and what separates them. */
const linkCharactersMax = 200

/** Links by which a finer pair outweighs all coarser ones: chosen once, not fitted. */
const ownWeight: Readonly<Record<Resolution, number>> = { 4: 0.1, 2: 0.5, 1: 1, 0: 1 }
/** Old sightings alone do not make a pair measured. */
const measuredLinksMin = 0.1
/** Before anything was measured: a usual tail and jitter of a long link, no loss. */
const usual: Summary = { excess: 0, tail: Math.log(1.2), unrest: 0.03, loss: 0 }

export class LatencyMap {
  readonly #grid: CellGrid
  readonly #model = new PathModel()
  /** Of each resolution, those measured the longest time ago first. */
  readonly #pairs = new Map<number, Map<string, PairRecord>>(
    cellResolutions.map((resolution) => [resolution, new Map()]),
  )
  #impossible = 0

  constructor(grid: CellGrid) {
    this.#grid = grid
  }

  /** Pairs of cells kept, of all resolutions. */
  get size(): number {
    return [...this.#pairs.values()].reduce((sum, level) => sum + level.size, 0)
  }

  /** Measurements that light forbids, so far. */
  get impossible(): number {
    return this.#impossible
  }

  get model(): { readonly stretch: number; readonly lastMileMs: number } {
    return this.#model
  }

  observe(measurement: LinkMeasurement, nowMs: number): Reception {
    const from = this.#grid.place(measurement.from)
    const to = this.#grid.place(measurement.to)
    if (from === undefined || to === undefined || !isSound(measurement)) return 'malformed'
    if (measurement.medianMs < leastRoundTripMs(from, to)) {
      this.#impossible += 1
      return 'impossible'
    }
    const { link, medianMs, p95Ms, jitterMs, loss } = measurement
    const cells = { from: measurement.from, to: measurement.to }
    const fibreMs = fibreRoundTripMs(from, to)
    this.#model.learn(fibreMs, medianMs)
    const sighting: Sighting = {
      ...cells,
      link,
      atMs: nowMs,
      fibreMs,
      medianMs,
      p95Ms,
      jitterMs,
      loss,
    }
    for (const { resolution, key } of pairKeys(from, to))
      this.#record(resolution, key).add(sighting)
    return 'learned'
  }

  /** undefined: one of them is no cell. */
  estimate(from: Cell, to: Cell, nowMs: number): LatencyEstimate | undefined {
    const a = this.#grid.place(from)
    const b = this.#grid.place(to)
    return a === undefined || b === undefined ? undefined : this.#estimate(a, b, nowMs)
  }

  /** Pairs that were measured, of the finest cells, the latest first. */
  measured(limit: number, nowMs: number): readonly MapPair[] {
    const found: { readonly atMs: number; readonly key: string }[] = []
    for (const [key, { latestAtMs: atMs }] of this.#level(cellResolutions[0])) {
      if (nowMs - atMs <= sightingLifeMs) found.push({ atMs, key })
    }
    found.sort((a, b) => b.atMs - a.atMs || (a.key < b.key ? -1 : 1))
    return found.slice(0, limit).flatMap(({ key }) => {
      const [from, to] = key.split(' ').map((cell) => this.#grid.place(cell))
      if (from === undefined || to === undefined) return []
      return [{ from, to, ...this.#estimate(from, to, nowMs) }]
    })
  }

  snapshot(nowMs: number): LatencyMapSnapshot {
    const sightings = new Set<Sighting>()
    for (const level of this.#pairs.values()) {
      for (const record of level.values()) {
        for (const sighting of record.sightings) sightings.add(sighting)
      }
    }
    const links = [...sightings].map(({ atMs, fibreMs: _, ...measured }) => {
      return { ...measured, ageMs: Math.max(0, nowMs - atMs) }
    })
    links.sort((a, b) => b.ageMs - a.ageMs)
    return { version: 1, links: links.slice(-snapshotLinksMax) }
  }

  /**
   * Learns anew from what was kept, without what is unsound in it; all of it is older by `downMs`,
   * the time since it was kept, if that is told. Returns the links learned.
   */
  restore(snapshot: unknown, nowMs: number): number {
    if (!isObject(snapshot) || snapshot['version'] !== 1) return 0
    const links = snapshot['links']
    if (!Array.isArray(links)) return 0
    const { downMs } = snapshot
    const agedMs = typeof downMs === 'number' && downMs > 0 ? downMs : 0
    let learned = 0
    for (const link of links.slice(-snapshotLinksMax) as readonly unknown[]) {
      if (!isSound(link)) continue
      const keptAgeMs = link['ageMs']
      if (typeof keptAgeMs !== 'number' || !(keptAgeMs >= 0)) continue
      const ageMs = keptAgeMs + agedMs
      if (ageMs > sightingLifeMs) continue
      if (this.observe(link, nowMs - ageMs) === 'learned') learned += 1
    }
    return learned
  }

  #estimate(from: Place, to: Place, nowMs: number): LatencyEstimate {
    const fibreMs = fibreRoundTripMs(from, to)
    const expectedMs = this.#model.roundTripMs(fibreMs)
    let summary = usual
    let found: { readonly resolution: number; readonly links: number } | undefined
    for (const { resolution, key } of pairKeys(from, to).reverse()) {
      const record = this.#level(resolution).get(key)
      const links = record?.weight(nowMs) ?? 0
      if (record === undefined || links < measuredLinksMin) continue
      const own = record.summary((fibre) => this.#model.roundTripMs(fibre), nowMs)
      summary = drawn(summary, own, links / (links + ownWeight[resolution]))
      found = { resolution, links }
    }
    // What was learned of a coarse pair must not put its near ends beyond light.
    const leastMs = leastRoundTripMs(from, to)
    const medianMs = Math.max(leastMs, expectedMs * Math.exp(summary.excess))
    return {
      medianMs,
      p95Ms: medianMs * Math.exp(summary.tail),
      jitterMs: medianMs * summary.unrest,
      loss: summary.loss,
      source: sourceOf(found?.resolution),
      resolution: found?.resolution ?? null,
      links: found?.links ?? 0,
    }
  }

  #level(resolution: number): Map<string, PairRecord> {
    const level = this.#pairs.get(resolution)
    assert(level !== undefined, 'a resolution that is kept')
    return level
  }

  /** The pair, as the one that was measured last. */
  #record(resolution: number, key: string): PairRecord {
    const level = this.#level(resolution)
    const known = level.get(key)
    const record = known ?? new PairRecord()
    if (known !== undefined) level.delete(key)
    else if (level.size >= pairsPerResolutionMax) {
      const oldest = level.keys().next().value
      if (oldest !== undefined) level.delete(oldest)
    }
    level.set(key, record)
    return record
  }
}

/** Finest first. Both directions of a pair are one. */
function pairKeys(a: Place, b: Place): { resolution: Resolution; key: string }[] {
  const keys: { resolution: Resolution; key: string }[] = []
  for (const { resolution, cell } of a.ancestors) {
    const other = b.ancestors.find((ancestor) => ancestor.resolution === resolution)?.cell
    if (other === undefined) continue
    keys.push({ resolution, key: cell < other ? `${cell} ${other}` : `${other} ${cell}` })
  }
  return keys
}

function drawn(from: Summary, to: Summary, share: number): Summary {
  const between = (a: number, b: number) => a + (b - a) * share
  return {
    excess: between(from.excess, to.excess),
    tail: between(from.tail, to.tail),
    unrest: between(from.unrest, to.unrest),
    loss: between(from.loss, to.loss),
  }
}

function sourceOf(resolution: number | undefined): LatencyEstimate['source'] {
  if (resolution === undefined) return 'model'
  return resolution === cellResolutions[0] ? 'measured' : 'region'
}

/** Whatever the types say: measurements come over the wire and from files. */
function isSound(value: unknown): value is LinkMeasurement & Readonly<Record<string, unknown>> {
  if (!isObject(value)) return false
  const { from, to, link, medianMs, p95Ms, jitterMs, loss } = value
  return (
    [from, to].every((cell) => typeof cell === 'string') &&
    typeof link === 'string' &&
    link.length <= linkCharactersMax &&
    isWithin(medianMs, roundTripMsMin, roundTripMsMax) &&
    isWithin(p95Ms, medianMs, roundTripMsMax) &&
    isWithin(jitterMs, 0, roundTripMsMax) &&
    isWithin(loss, 0, 1)
  )
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && value >= least && value <= most
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
