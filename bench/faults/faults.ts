/**
 * What becomes of streams whose node is killed (kill -9) at a random token, and how soon every
 * gateway refuses a node that answers wrongly at one of them: all real processes, with the
 * reference model.
 */
import { randomInt } from 'node:crypto'
import { seededRandom } from '../../src/base/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress } from '../progress.ts'
import { check, type Report, renderTable } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { type KilledRun, KilledStreams } from './killed-stream.ts'
import { FaultyNetwork } from './network.ts'
import { type QuarantineRun, SeveralGateways } from './quarantine.ts'
import { misdeeds } from './wrong-node.ts'

const nodes = 3
const runsFull = 200
const runsQuick = 5
/** As many as one gateway looks for itself within a minute, three gateways in turns. */
const quarantinesFull = 24
const quarantinesQuick = 4
const seedsEnd = 2 ** 31

export const faultsBench: Bench = {
  name: 'faults',
  summary: 'streams whose node is killed at a random token; nodes that answer wrongly',
  options: { runs: { type: 'string' }, seed: { type: 'string' } },
  optionsHelp: ['--runs N     how many kills (200)', '--seed N     where they come (random)'],
  run,
}

async function run(options: BenchOptions, print: (line: string) => void): Promise<Report> {
  const runs = numberOf(options['runs']) ?? (options['quick'] === true ? runsQuick : runsFull)
  const seed = numberOf(options['seed']) ?? randomInt(seedsEnd)
  progress(`a gateway and ${nodes} nodes`)
  const network = await FaultyNetwork.start(nodes)
  const streams = new KilledStreams(network, seededRandom(seed))
  const all: KilledRun[] = []
  try {
    for (let i = 0; i < runs; i += 1) {
      progress(`kill ${i + 1} of ${runs}`)
      all.push(await streams.run())
    }
  } finally {
    await network.stop()
  }
  const refused = await quarantines(options['quick'] === true ? quarantinesQuick : quarantinesFull)
  for (const line of tableOf(all)) print(line)
  print('')
  for (const line of quarantineTable(refused.runs)) print(line)
  for (const { kind, killedAt, difference } of all) {
    if (difference === undefined) continue
    print('')
    print(`${kind}, killed at ${killedAt}:\n  got    ${difference[0]}\n  wanted ${difference[1]}`)
  }
  const context = { machine: describeMachine(), versions: describeVersions([]), seed, runs }
  const more = { missedKills: streams.misses, p95PauseMs: pauseOf(all, 0.95), byKind: byKind(all) }
  const { clusters } = refused
  const checks = [...checksOf(all), ...quarantineChecks(refused.runs)]
  return { bench: 'faults', checks, context: { ...context, ...more, clusters } }
}

/** Found out by each of three gateways in turns. */
async function quarantines(count: number) {
  progress('three gateways meet')
  const several = await SeveralGateways.start()
  const runs: QuarantineRun[] = []
  try {
    await several.meet()
    for (let i = 0; i < count; i += 1) {
      progress(`wrong node ${i + 1} of ${count}`)
      const misdeed = misdeeds[i % misdeeds.length] ?? 'other-model'
      runs.push(await several.run(misdeed, i % several.gateways.length))
    }
    const clusters = new Set(await several.clusters()).size
    return { runs, clusters }
  } finally {
    await several.stop()
  }
}

function quarantineChecks(runs: readonly QuarantineRun[]) {
  return [
    check({
      name: 'quarantine at every gateway, longest',
      value: Math.max(...runs.flatMap(({ afterMs }) => afterMs)),
      unit: 'ms',
      reach: '<= 1000',
    }),
    check({
      name: 'requests sent there later',
      value: runs.reduce((sum, { later }) => sum + later, 0),
      unit: '',
      reach: '<= 0',
    }),
  ]
}

function quarantineTable(runs: readonly QuarantineRun[]): readonly string[] {
  const rows = [...Map.groupBy(runs, ({ misdeed }) => misdeed)].map(([misdeed, some]) => ({
    misdeed,
    runs: some.length,
    rechecks: some.reduce((sum, { rechecks }) => sum + rechecks, 0),
    lastMs: some.map(({ afterMs }) => Math.max(...afterMs)),
  }))
  return renderTable(rows, [
    { title: 'wrong answers', align: 'left', cell: (row) => row.misdeed },
    { title: 'nodes', cell: (row) => String(row.runs) },
    { title: 're-checks', cell: (row) => String(row.rechecks) },
    { title: 'last gateway p50', cell: (row) => `${Math.round(median(row.lastMs))} ms` },
    { title: 'longest', cell: (row) => `${Math.round(Math.max(...row.lastMs))} ms` },
  ])
}

function checksOf(all: readonly KilledRun[]) {
  const pauseMs = median(all.map(({ addedPauseMs }) => addedPauseMs))
  return [
    check({
      name: 'streams completed',
      value: share(all, 'completed'),
      unit: '%',
      reach: '>= 100',
    }),
    check({ name: 'text identical', value: share(all, 'identical'), unit: '%', reach: '>= 100' }),
    check({ name: 'added pause, median', value: pauseMs, unit: 'ms', reach: '<= 300' }),
  ]
}

function share(all: readonly KilledRun[], what: 'completed' | 'identical'): number {
  return (100 * all.filter((one) => one[what]).length) / all.length
}

function pauseOf(all: readonly KilledRun[], at: number): number {
  return Math.round(
    quantile(
      all.map(({ addedPauseMs }) => addedPauseMs),
      at,
    ),
  )
}

function byKind(all: readonly KilledRun[]) {
  return [...Map.groupBy(all, ({ kind }) => kind)].map(([kind, some]) => ({
    kind,
    runs: some.length,
    completed: share(some, 'completed'),
    identical: share(some, 'identical'),
    medianPauseMs: pauseOf(some, 0.5),
    maxPauseMs: pauseOf(some, 1),
  }))
}

function tableOf(all: readonly KilledRun[]): readonly string[] {
  return renderTable(byKind(all), [
    { title: 'answers', align: 'left', cell: ({ kind }) => kind },
    { title: 'kills', cell: ({ runs }) => String(runs) },
    { title: 'completed', cell: ({ completed }) => `${completed.toFixed(1)} %` },
    { title: 'identical', cell: ({ identical }) => `${identical.toFixed(1)} %` },
    { title: 'pause p50', cell: ({ medianPauseMs }) => `${medianPauseMs} ms` },
    { title: 'longest', cell: ({ maxPauseMs }) => `${maxPauseMs} ms` },
  ])
}

function numberOf(option: unknown): number | undefined {
  return typeof option === 'string' ? Number(option) : undefined
}
