/**
 * What clients see when nodes fail, all of them real processes: of two servers one answers with an
 * instant 503; a stream's node is killed (kill -9) at a random token; and a node answers wrongly at
 * one of several gateways, which all have to refuse it.
 */
import { randomInt } from 'node:crypto'
import { seededRandom } from '../../src/base/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { peerVersions } from '../gateway/peers.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress } from '../progress.ts'
import { type Check, check, type Report, renderTable } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { type FailingServerRow, failingServer, failingServerTable } from './failing-server.ts'
import { type KilledRun, KilledStreams } from './killed-stream.ts'
import { FaultyNetwork } from './network.ts'
import { type QuarantineRun, SeveralGateways } from './quarantine.ts'
import { misdeeds } from './wrong-node.ts'

const nodes = 3
const runsFull = 200
const runsQuick = 5
const requestsFull = 1_000
const requestsQuick = 40
/** As many as one gateway looks for itself within a minute, three gateways in turns. */
const wrongFull = 24
const wrongQuick = 4
const seedsEnd = 2 ** 31

export const faultsBench: Bench = {
  name: 'faults',
  summary: 'an instant 503 beside a healthy server; nodes that are killed, or answer wrongly',
  options: {
    runs: { type: 'string' },
    seed: { type: 'string' },
    requests: { type: 'string' },
    wrong: { type: 'string' },
  },
  optionsHelp: [
    '--requests N how many beside a server that fails, each way (1000); 0: none',
    '--runs N     how many kills in mid-stream (200); 0: none',
    '--wrong N    how many nodes that answer wrongly (24); 0: none',
    '--seed N     where kills come (random)',
  ],
  run,
}

/** Of what is measured, one thing. */
interface Part {
  readonly lines: readonly string[]
  readonly checks: readonly Check[]
  readonly context: Readonly<Record<string, unknown>>
}

async function run(options: BenchOptions, print: (line: string) => void): Promise<Report> {
  const isQuick = options['quick'] === true
  const requests = numberOf(options['requests']) ?? (isQuick ? requestsQuick : requestsFull)
  const runs = numberOf(options['runs']) ?? (isQuick ? runsQuick : runsFull)
  const wrong = numberOf(options['wrong']) ?? (isQuick ? wrongQuick : wrongFull)
  const seed = numberOf(options['seed']) ?? randomInt(seedsEnd)
  const parts: Part[] = []
  if (requests > 0) parts.push(await failing(requests))
  if (runs > 0) parts.push(await killed(runs, seed))
  if (wrong > 0) parts.push(await quarantined(wrong))
  for (const line of parts.flatMap(({ lines }) => [...lines, ''])) print(line)
  const versions = { ...describeVersions([]), ...(requests > 0 ? peerVersions() : {}) }
  const context = { machine: describeMachine(), versions, seed, runs, requests, wrong }
  return {
    bench: 'faults',
    checks: parts.flatMap(({ checks }) => checks),
    context: Object.assign(context, ...parts.map((part) => part.context)),
  }
}

async function failing(requests: number): Promise<Part> {
  const { rows, skipped } = await failingServer(requests)
  const notes = skipped.map((note) => `left out: ${note}`)
  const lines = [...failingServerTable(rows), ...notes]
  return { lines, checks: failingChecks(rows), context: { ways: rows, skipped } }
}

/** Of this project's ways, the worst. */
function failingChecks(rows: readonly FailingServerRow[]) {
  const own = rows.filter(({ name }) => name.startsWith('isochrone'))
  const shares = own.map(({ failures, requests }) => (100 * failures) / requests)
  const value = shares.length === 0 ? null : Math.max(...shares)
  const name = 'one of two servers fails at once: failed requests'
  return [check({ name, value, unit: '%', reach: '<= 0.5' })]
}

async function killed(runs: number, seed: number): Promise<Part> {
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
  const pauses = { p95PauseMs: pauseOf(all, 0.95), byKind: byKind(all) }
  return {
    lines: [...tableOf(all), ...differencesOf(all)],
    checks: checksOf(all),
    context: { missedKills: streams.misses, ...pauses },
  }
}

function differencesOf(all: readonly KilledRun[]): readonly string[] {
  return all.flatMap(({ kind, killedAt, difference: found }) =>
    found === undefined
      ? []
      : ['', `${kind}, killed at ${killedAt}:`, `  got    ${found[0]}`, `  wanted ${found[1]}`],
  )
}

/** Found out by each of three gateways in turns. */
async function quarantined(count: number): Promise<Part> {
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
    const lines = quarantineTable(runs)
    return { lines, checks: quarantineChecks(runs), context: { clusters } }
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
