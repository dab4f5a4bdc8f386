/**
 * The shipping routing beside every baseline, on simulated fleets: requests right and in time by
 * load, traffic to nodes that misbehave, and how soon a good newcomer has its share. All policies
 * meet the same requests, nodes and places of a seed, so differences are taken seed by seed.
 */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  type BalancerName,
  balancerNames,
  type FaultyPresetName,
  type RoutingFigures,
  type RoutingInputs,
  simulateRouting,
} from '../../src/simulation/index.ts'
import { progress } from '../progress.ts'
import { type Check, check, renderTable } from '../report.ts'
import { readInputs } from '../simulate/routing.ts'
import { difference, type Interval, mean } from './interval.ts'

const dataFolder = join(import.meta.dirname, '..', '..', '..', 'shared', 'data')
const sources = {
  availability: 'availability/bamboo_p3_spot_trace.csv',
  latency: 'latency/planetlab_490_slice01.tsv.gz',
  gpus: 'gpu/gpu_specs.csv',
}
const traces = [
  'llm-traces/AzureLLMInferenceTrace_code.csv.gz',
  'llm-traces/mooncake_conversation_trace.jsonl.gz',
]
const own = 'isochrone'
const baselines = balancerNames.filter((name) => name !== own)

export interface PolicyPlan {
  readonly seeds: readonly number[]
  readonly loads: readonly number[]
  readonly lengthMs: number
  readonly nodes: number
}

export const fullPlan: PolicyPlan = {
  seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  loads: [0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
  lengthMs: 3 * 60_000,
  nodes: 40,
}

export const quickPlan: PolicyPlan = {
  seeds: [1, 2],
  loads: [0.5, 0.9],
  lengthMs: 90_000,
  nodes: 20,
}

interface Setting {
  readonly name: string
  readonly inputs: RoutingInputs
  readonly faulty: FaultyPresetName
}

interface LoadRow {
  readonly load: number
  /** By policy, by seed: right and in time. */
  readonly good: Readonly<Record<BalancerName, readonly number[]>>
  readonly best: BalancerName
  readonly lead: Interval
  /** By how much misses lie below the best baseline’s, as a share of them. */
  readonly fewerMisses: Interval
}

export function policyChecks(plan: PolicyPlan, print: (line: string) => void) {
  const checks: Check[] = []
  const context: Record<string, unknown> = { plan }
  const files: Record<string, string>[] = []
  for (const trace of traces) {
    const read = readInputs(present({ ...sources, trace }))
    files.push(read.files)
    const traceName = basename(read.files['trace'] ?? '')
    for (const faulty of ['none', 'mixed'] as const) {
      const name = `${traceName.slice(0, 8)}, faulty: ${faulty}`
      const rows = byLoad({ name, inputs: read.inputs, faulty }, plan)
      for (const line of ['', name, ...renderRows(rows)]) print(line)
      checks.push(...loadChecks(name, rows))
      context[name] = rows
    }
    if (read.files['trace'] === 'made up') break
  }
  const { inputs } = readInputs(present({ ...sources, trace: traces[0] ?? '' }))
  const further = [
    ...faultyChecks(inputs, plan),
    ...lyingChecks(inputs, plan),
    ...newcomerChecks(inputs, plan),
  ]
  return { checks: [...checks, ...further], context: { ...context, files } }
}

/** Only the files that are there; what is left out is made up. */
function present(names: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const paths = Object.entries(names).map(([name, file]) => [name, join(dataFolder, file)] as const)
  return Object.fromEntries(paths.filter(([, path]) => existsSync(path)))
}

function byLoad({ name, inputs, faulty }: Setting, plan: PolicyPlan): readonly LoadRow[] {
  return plan.loads.map((load): LoadRow => {
    progress(`${name}, ${load * 100} % load`)
    const goodOf = (policy: BalancerName) =>
      figuresOf({ policy, load, inputs, faulty }, plan).map(({ good }) => good)
    const good = {} as Record<BalancerName, readonly number[]>
    for (const policy of balancerNames) good[policy] = goodOf(policy)
    const [first = 'random', ...others] = baselines
    const best = others.reduce((a, b) => (mean(good[b]) > mean(good[a]) ? b : a), first)
    const misses = mean(good[best].map((share) => 1 - share))
    const gained = good[own].map((share, i) => share - (good[best][i] ?? 0))
    return {
      load,
      good,
      best,
      lead: difference(gained),
      fewerMisses: difference(gained.map((share) => share / Math.max(1e-9, misses))),
    }
  })
}

interface Run {
  readonly policy: BalancerName
  readonly load: number
  readonly inputs: RoutingInputs
  readonly faulty: FaultyPresetName
}

function figuresOf(run: Run, plan: PolicyPlan): readonly RoutingFigures[] {
  const { lengthMs, nodes } = plan
  return plan.seeds.map(
    (seed) => simulateRouting({ ...run, seed, lengthMs, nodes, gateways: 2 }).figures,
  )
}

function renderRows(rows: readonly LoadRow[]): readonly string[] {
  const percent = (share: number) => (share * 100).toFixed(1)
  const interval = ({ mean: middle, half }: Interval) => `${percent(middle)} ± ${percent(half)}`
  return renderTable(rows, [
    { title: 'load %', cell: ({ load }) => percent(load) },
    ...balancerNames.map((name) => ({
      title: name,
      cell: ({ good }: LoadRow) => percent(mean(good[name])),
    })),
    { title: 'lead (95 %)', cell: ({ lead }) => interval(lead) },
    { title: 'fewer misses %', cell: ({ fewerMisses }) => interval(fewerMisses) },
  ])
}

function loadChecks(name: string, rows: readonly LoadRow[]): readonly Check[] {
  return [
    check({
      name: `${name}: right and in time, least lead over the best baseline at any load`,
      value: Math.min(...rows.map(({ lead }) => lead.mean)) * 100,
      unit: 'points',
      reach: '>= 0',
    }),
    check({
      name: `${name}: misses below the best baseline’s, mean of loads`,
      value: mean(rows.map(({ fewerMisses }) => fewerMisses.mean)) * 100,
      unit: '%',
      reach: '>= 20',
    }),
  ]
}

function faultyChecks(inputs: RoutingInputs, plan: PolicyPlan): readonly Check[] {
  const kinds = [
    ['black-hole', 'blackHole', 'black holes'],
    ['slow-liar', 'slowLiar', 'slow liars'],
  ] as const
  return kinds.map(([faulty, kind, words]) => {
    progress(`traffic to ${words}`)
    const runs = figuresOf({ policy: own, load: 0.7, inputs, faulty }, plan)
    return check({
      name: `traffic to ${words}, 15 % of the nodes, after 60 s`,
      value: mean(runs.map((figures) => figures.faulty[kind])) * 100,
      unit: '%',
      reach: '<= 1',
    })
  })
}

/**
 * Three gateways that lie to two honest ones, against the same runs without them: they praise the
 * black holes, and slander every other sound node. What is lost to them is to be less than what
 * seeds differ by among themselves.
 */
function lyingChecks(inputs: RoutingInputs, plan: PolicyPlan): readonly Check[] {
  progress('lying gateways')
  const runsOf = (faulty: FaultyPresetName) =>
    figuresOf({ policy: own, load: 0.7, inputs, faulty }, plan)
  const [honest, lied] = [runsOf('telling-gateways'), runsOf('lying-gateways')]
  const goodOf = (runs: readonly RoutingFigures[]) => mean(runs.map(({ good }) => good))
  const slanderedOf = (runs: readonly RoutingFigures[]) =>
    mean(runs.flatMap(({ slandered }) => slandered ?? []))
  return [
    check({
      name: 'right and in time, lost to three lying gateways',
      value: (goodOf(honest) - goodOf(lied)) * 100,
      unit: 'points',
      reach: '<= 1',
    }),
    check({
      name: 'traffic to black holes that they praise, 15 % of the nodes, after 60 s',
      value: mean(lied.map(({ faulty }) => faulty.blackHole)) * 100,
      unit: '%',
      reach: '<= 1',
    }),
    check({
      name: 'traffic to those that they slander, of what it is without them',
      value: (slanderedOf(lied) / slanderedOf(honest)) * 100,
      unit: '%',
      reach: '>= 90',
    }),
  ]
}

/** In runs long enough for a newcomer to be asked 200 times. */
function newcomerChecks(inputs: RoutingInputs, plan: PolicyPlan): readonly Check[] {
  progress('newcomers')
  const longer = { ...plan, lengthMs: 2 * plan.lengthMs }
  const runs = figuresOf({ policy: own, load: 0.7, inputs, faulty: 'none' }, longer)
  const judged = runs.filter(({ newcomer }) => newcomer.equals > 0)
  const waits = judged.map(({ newcomer }) => newcomer.requestsUntilFair)
  const latest = waits.includes(null) ? null : Math.max(...waits.map((wait) => wait ?? 0))
  return [
    check({
      name: 'a good newcomer’s own requests until its fair share, the slowest of the seeds',
      value: judged.length === 0 ? null : latest,
      unit: '',
      reach: '<= 200',
    }),
  ]
}
