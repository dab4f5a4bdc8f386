/**
 * Whole federations, as `npm run simulate -- mesh` runs them: how many nodes find a cluster, and
 * what ten thousand of them cost to simulate.
 */
import { availableParallelism } from 'node:os'
import {
  faultPresets,
  type LatencyMatrix,
  type MeshRunOptions,
  type MeshRunResult,
  simulateMesh,
} from '../../src/simulation/index.ts'
import { progress } from '../progress.ts'
import { type Check, check } from '../report.ts'
import { greedyPlaced } from './greedy-cover.ts'

export interface FederationPlan {
  readonly seed: number
  readonly clusterMinutes: number
  readonly healingMinutes: number
  readonly partitions: number
  readonly largeNodes: number
  readonly largeMinutes: number
}

interface Result {
  readonly checks: readonly Check[]
  readonly context: Readonly<Record<string, unknown>>
}

const boundMs = 15
const membersMax = 64
const gateways = 4
const usual = { loss: 0.001, jitterShare: 0.02, boundMs, gateways }
const threads = Math.min(2, availableParallelism())

export async function federationChecks(
  { name, matrix }: { readonly name: string; readonly matrix: LatencyMatrix },
  plan: FederationPlan,
  print: (line: string) => void,
): Promise<Result> {
  const clusters = await clusterChecks(name, matrix, plan)
  const healing = await healingChecks(matrix, plan)
  const large = await largeChecks(matrix, plan)
  print(`Federations on ${name}, seed ${plan.seed}: ${matrix.sites} nodes without faults for`)
  print(
    `${plan.clusterMinutes} min, and ${plan.largeNodes} with the usual faults on ${threads} cores`,
  )
  print('')
  return {
    checks: [...clusters.checks, ...healing.checks, ...large.checks],
    context: { clusters: clusters.context, healing: healing.context, large: large.context },
  }
}

async function clusterChecks(
  name: string,
  matrix: LatencyMatrix,
  { seed, clusterMinutes }: FederationPlan,
): Promise<Result> {
  const nodes = matrix.sites
  const lengthMs = clusterMinutes * 60_000
  const faults = faultPresets.none
  const run = { ...usual, seed, nodes, lengthMs, matrix, faults }
  const result = await simulated(run, `clusters of ${nodes} nodes`)
  const possible = greedyPlaced(matrix, { boundMs, membersMax })
  const placed = result.rows.at(-1)?.placed ?? 0
  const pairs = (nodes * (nodes - 1)) / 2
  const checks = [
    check({
      name: `clusters on ${name}: above the bound of ${boundMs} ms, ever`,
      value: violationsMs(result) / 1_000,
      unit: 's',
      reach: '<= 0',
    }),
    check({
      name: 'clusters: nodes placed, of those that a greedy cover places',
      value: (placed / Math.max(1, possible)) * 100,
      unit: '%',
      reach: '>= 90',
    }),
    check({
      name: 'clusters: pairs ever measured',
      value: result.pairsMeasured === null ? null : (result.pairsMeasured / pairs) * 100,
      unit: '%',
      reach: '<= 10',
    }),
    check({
      name: 'all that a node says, in the last minute',
      value: (result.rows.at(-1)?.nodeBytesPerSecond ?? Number.NaN) / 1_000,
      unit: 'KB/s',
      reach: '<= 3',
    }),
  ]
  const { pairsMeasured, falseDeaths, bytesPerHostSecond } = result
  const figures = { placed, possible, pairs, pairsMeasured, falseDeaths, bytesPerHostSecond }
  return { checks, context: { nodes, minutes: clusterMinutes, ...figures } }
}

/** Half of the nodes of a region are cut off for a while, and nothing else happens. */
async function healingChecks(
  matrix: LatencyMatrix,
  { seed, healingMinutes, partitions }: FederationPlan,
): Promise<Result> {
  const nodes = matrix.sites
  const lengthMs = healingMinutes * 60_000
  const faults = { crashesPerHostHour: 0, pausesPerHostHour: 0, partitions }
  const run = { ...usual, seed, nodes, lengthMs, matrix, faults }
  const result = await simulated(run, `partitions of ${nodes} nodes`)
  const longestMs = Math.max(...result.checkers.map((checker) => checker.longestMs))
  const checks = [
    check({
      name: 'half a region parted and back: longest until all views are right',
      value: longestMs / 1_000,
      unit: 's',
      reach: '<= 30',
    }),
    check({
      name: 'half a region parted and back: nodes in reach held dead',
      value: result.falseDeaths,
      unit: '',
      reach: '<= 0',
    }),
    check({
      name: 'half a region parted and back: times that an honest node was accused',
      value: accusations(result),
      unit: '',
      reach: '<= 0',
    }),
  ]
  const { checkers, falseDeaths, seen } = result
  const last = result.rows.at(-1)
  return { checks, context: { nodes, partitions, falseDeaths, checkers, seen, last } }
}

async function largeChecks(
  matrix: LatencyMatrix,
  { seed, largeNodes, largeMinutes }: FederationPlan,
): Promise<Result> {
  const lengthMs = largeMinutes * 60_000
  const run = { ...usual, seed, nodes: largeNodes, lengthMs, matrix, faults: faultPresets.usual }
  const beganMs = performance.now()
  const result = await simulated(run, `${largeNodes} nodes`)
  const minutes = (performance.now() - beganMs) / 60_000
  const gigabytes = (process.resourceUsage().maxRSS * 1_024) / 1e9
  const { ageP99Ms, bytesInPerSecond, missingShare } = result.view
  const name = `${largeNodes} nodes, ${largeMinutes} simulated minutes`
  const checks = [
    check({ name: `${name}, on ${threads} cores`, value: minutes, unit: 'min', reach: '<= 5' }),
    check({ name: `${name}: memory`, value: gigabytes, unit: 'GB', reach: '<= 4' }),
    check({
      name: `${name}: age of a gateway’s view, 99th percentile`,
      value: ageP99Ms === null ? null : ageP99Ms / 1_000,
      unit: 's',
      reach: '<= 3',
    }),
    check({
      name: `${name}: told to a gateway`,
      value: bytesInPerSecond / 1e6,
      unit: 'MB/s',
      reach: '<= 2',
    }),
    check({
      name: `${name}: findings of the checkers`,
      value: result.checkers.reduce((sum, { violations }) => sum + violations, 0),
      unit: '',
      reach: '<= 0',
    }),
  ]
  const { checkers, detection, falseDeaths, bytesPerHostSecond } = result
  const context = { missingShare, checkers, detection, falseDeaths, bytesPerHostSecond }
  return { checks, context: { nodes: largeNodes, ...context, last: result.rows.at(-1) } }
}

/** All are honest: whatever was rejected or taken for a lie was a mistake. */
function accusations({ seen }: MeshRunResult): number {
  const names = Object.keys(seen).filter((what) => /^(?:lie|rejected)\b/.test(what))
  return names.reduce((sum, what) => sum + (seen[what] ?? 0), 0)
}

function violationsMs({ checkers }: MeshRunResult): number {
  return checkers.find(({ name }) => name === 'a cluster violates its bound')?.longestMs ?? NaN
}

function simulated(options: MeshRunOptions, what: string): Promise<MeshRunResult> {
  const onProgress = (nowMs: number) => {
    if (nowMs % 30_000 === 0) progress(`${what}: ${nowMs / 1_000} of ${options.lengthMs / 1_000} s`)
  }
  return simulateMesh(options, { threads, onProgress })
}
