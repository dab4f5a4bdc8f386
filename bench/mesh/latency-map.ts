/**
 * The latency map on real links: what it predicts for pairs and for regions that it has not seen,
 * and what the speed of light says of where the regions are, and of regions that lie.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Random, seededRandom } from '../../src/base/index.ts'
import {
  type CellGrid,
  fibreRoundTripMs,
  LatencyMap,
  LocationCheck,
  loadCellGrid,
} from '../../src/mesh/index.ts'
import { type NodeId, nodeIdOf } from '../../src/protocol/index.ts'
import { type Check, check, renderTable } from '../report.ts'
import { quantile } from '../statistics.ts'
import { type CloudLink, type CloudRegion, cloudFiles, readCloudLinks } from './cloud-regions.ts'

interface Prediction {
  readonly heldOut: string
  readonly pairs: number
  readonly median: number
  readonly p90: number
  /** The same with the distance alone, stretched as is usual. */
  readonly medianByDistance: number
}

interface Accusations {
  readonly regions: number
  readonly impossibleLinks: number
  readonly refutedTruthful: number
  readonly liars: number
  readonly refutedLiars: number
}

/** Half a day of cells would change nothing: everything is measured at one time. */
const nowMs = 0
const repetitions = 5

export async function latencyMapChecks(
  folder: string,
  seed: number,
  print: (line: string) => void,
): Promise<readonly Check[]> {
  const missing = cloudFiles.filter((file) => !existsSync(join(folder, file)))
  if (missing.length > 0) {
    print(`The latency map is not measured: there is no ${missing.join(' nor ')} in ${folder}.`)
    return checksOf([], undefined)
  }
  const grid = await loadCellGrid()
  const links = readCloudLinks(folder)
  const predictions = [
    predict('a fifth of the pairs', { grid, links, seed }, heldOutPairs(0.2)),
    predict('four fifths of the pairs', { grid, links, seed }, heldOutPairs(0.8)),
    predict('a seventh of the regions', { grid, links, seed }, heldOutRegions(1 / 7)),
  ]
  const accused = accuse({ grid, links, seed })
  print(`Latency map, seed ${seed}, from ${cloudFiles.join(' and ')}`)
  for (const line of renderTable(predictions, columns)) print(line)
  print(
    `${accused.regions} regions, ${accused.impossibleLinks} of ${links.length} links measured ` +
      `faster than light; ${accused.refutedTruthful} refuted where they are, ` +
      `${accused.refutedLiars} of ${accused.liars} where they are not`,
  )
  return checksOf(predictions, accused)
}

const columns = [
  { title: 'held out', align: 'left' as const, cell: ({ heldOut }: Prediction) => heldOut },
  { title: 'pairs', cell: ({ pairs }: Prediction) => String(pairs) },
  { title: 'median error', cell: ({ median }: Prediction) => percent(median) },
  { title: '90th percentile', cell: ({ p90 }: Prediction) => percent(p90) },
  { title: 'by distance', cell: (row: Prediction) => percent(row.medianByDistance) },
]

function checksOf(
  predictions: readonly Prediction[],
  accused: Accusations | undefined,
): readonly Check[] {
  const [pairs, sparse, regions] = predictions
  const error = (name: string, value: number | undefined, reach: string) =>
    check({ name, value: value === undefined ? null : value * 100, unit: '%', reach })
  return [
    error('map: median error, a fifth of the cloud pairs unseen', pairs?.median, '<= 8'),
    error('map: 90th percentile of it', pairs?.p90, '<= 35'),
    error('map: median error, four fifths unseen', sparse?.median, '<= 10'),
    error('map: median error, regions unseen', regions?.median, '<= 10'),
    check({
      name: 'map: truthful cloud regions refuted',
      value: accused?.refutedTruthful ?? null,
      unit: 'regions',
      reach: '<= 0',
    }),
    check({
      name: 'map: regions refuted that say they are elsewhere',
      value: accused === undefined ? null : (accused.refutedLiars / accused.liars) * 100,
      unit: '%',
      reach: '>= 90',
    }),
  ]
}

interface World {
  readonly grid: CellGrid
  readonly links: readonly CloudLink[]
  readonly seed: number
}

/** Which links are not shown to the map. */
type HoldOut = (links: readonly CloudLink[], random: Random) => ReadonlySet<CloudLink>

function heldOutPairs(share: number): HoldOut {
  return (links, random) => new Set(links.filter(() => random.float() < share))
}

function heldOutRegions(share: number): HoldOut {
  return (links, random) => {
    const regions = regionsOf(links).filter(() => random.float() < share)
    return new Set(links.filter(({ a, b }) => regions.includes(a) || regions.includes(b)))
  }
}

function predict(heldOut: string, { grid, links, seed }: World, holdOut: HoldOut): Prediction {
  const errors: number[] = []
  const errorsByDistance: number[] = []
  for (let run = 0; run < repetitions; run += 1) {
    const hidden = holdOut(links, seededRandom(seed + run))
    const map = new LatencyMap(grid)
    // Faulty rows as well: that light forbids them is for the map to see.
    for (const link of links) if (!hidden.has(link)) learn(map, grid, link)
    for (const link of hidden) {
      const [from, to] = [cellOf(grid, link.a), cellOf(grid, link.b)]
      const fibreMs = fibreMsOf(grid, link)
      if (link.minMs < fibreMs) continue // not what the path takes: nothing to predict
      const told = map.estimate(from, to, nowMs)?.medianMs ?? Number.NaN
      errors.push(Math.abs(told - link.medianMs) / link.medianMs)
      const byDistance = map.model.stretch * fibreMs + map.model.lastMileMs
      errorsByDistance.push(Math.abs(byDistance - link.medianMs) / link.medianMs)
    }
  }
  return {
    heldOut,
    pairs: errors.length,
    median: quantile(errors, 0.5),
    p90: quantile(errors, 0.9),
    medianByDistance: quantile(errorsByDistance, 0.5),
  }
}

function learn(map: LatencyMap, grid: CellGrid, link: CloudLink): void {
  const { a, b, medianMs, maxMs, deviationMs } = link
  const [from, to] = [cellOf(grid, a), cellOf(grid, b)]
  const p95Ms = Math.max(medianMs, maxMs)
  const measured = { link: `${a.name} ${b.name}`, medianMs, p95Ms, jitterMs: deviationMs, loss: 0 }
  map.observe({ from, to, ...measured }, nowMs)
}

/** All regions where they are; then, one at a time, each where another one is. */
function accuse({ grid, links, seed }: World): Accusations {
  const random = seededRandom(seed)
  const regions = regionsOf(links)
  let liars = 0
  let refutedLiars = 0
  for (const liar of regions) {
    const elsewhere = regions[random.below(regions.length)] ?? liar
    if (distanceMs(grid, liar, elsewhere) < liedMsMin) continue
    liars += 1
    const refuted = refutedRegions(grid, links, (region) => (region === liar ? elsewhere : region))
    if (refuted.has(liar)) refutedLiars += 1
  }
  return {
    regions: regions.length,
    impossibleLinks: links.filter((link) => link.minMs < fibreMsOf(grid, link)).length,
    refutedTruthful: refutedRegions(grid, links, (region) => region).size,
    liars,
    refutedLiars,
  }
}

/** A lie of 5,000 km: another continent. */
const liedMsMin = 50

function refutedRegions(
  grid: CellGrid,
  links: readonly CloudLink[],
  declaredBy: (region: CloudRegion) => CloudRegion,
): ReadonlySet<CloudRegion> {
  const locations = new LocationCheck(grid)
  const ids = new Map<CloudRegion, NodeId>()
  for (const [i, region] of regionsOf(links).entries()) {
    const id = nodeIdOf(new Uint8Array(32).fill(i))
    ids.set(region, id)
    locations.step({ kind: 'declared', id, cell: cellOf(grid, declaredBy(region)) }, nowMs)
  }
  for (const { a, b, minMs } of links) {
    const [witness, id] = [ids.get(a), ids.get(b)]
    if (witness === undefined || id === undefined) continue
    locations.step({ kind: 'measured', witness, id, roundTripMs: minMs }, nowMs)
  }
  let { wakeAtMs } = locations.step({ kind: 'tick' }, nowMs)
  for (let review = 0; review < 3 && wakeAtMs < Number.POSITIVE_INFINITY; review += 1) {
    wakeAtMs = locations.step({ kind: 'tick' }, wakeAtMs).wakeAtMs
  }
  const isRefuted = (id: NodeId) => locations.verdict(id, nowMs)?.status === 'refuted'
  return new Set([...ids].filter(([, id]) => isRefuted(id)).map(([region]) => region))
}

function regionsOf(links: readonly CloudLink[]): readonly CloudRegion[] {
  return [...new Set(links.flatMap(({ a, b }) => [a, b]))]
}

function cellOf(grid: CellGrid, { at }: CloudRegion): string {
  return grid.cellAt(at)
}

function fibreMsOf(grid: CellGrid, { a, b }: CloudLink): number {
  return distanceMs(grid, a, b)
}

function distanceMs(grid: CellGrid, a: CloudRegion, b: CloudRegion): number {
  const [from, to] = [grid.place(cellOf(grid, a)), grid.place(cellOf(grid, b))]
  return from === undefined || to === undefined ? Number.NaN : fibreRoundTripMs(from, to)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
