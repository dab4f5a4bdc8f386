/**
 * What becomes of streams whose node is killed (kill -9) at a random token: a gateway and three
 * nodes, all real processes, the reference model on each.
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

const nodes = 3
const runsFull = 200
const runsQuick = 5
const seedsEnd = 2 ** 31

export const faultsBench: Bench = {
  name: 'faults',
  summary: 'streams whose node is killed at a random token: completed, identical, the pause',
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
  for (const line of tableOf(all)) print(line)
  for (const { kind, killedAt, difference } of all) {
    if (difference === undefined) continue
    print('')
    print(`${kind}, killed at ${killedAt}:\n  got    ${difference[0]}\n  wanted ${difference[1]}`)
  }
  const context = { machine: describeMachine(), versions: describeVersions([]), seed, runs }
  const more = { missedKills: streams.misses, p95PauseMs: pauseOf(all, 0.95), byKind: byKind(all) }
  return { bench: 'faults', checks: checksOf(all), context: { ...context, ...more } }
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
