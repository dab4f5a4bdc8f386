/** The simulation of a mesh as a command: its options, its tables, its last line. */
import { availableParallelism } from 'node:os'
import {
  faultPresets,
  type LatencyMatrix,
  type MeshRunOptions,
  type MeshRunResult,
  type MinuteRow,
  matrixLimits,
  readLatencyMatrix,
  simulateMesh,
} from '../../src/simulation/index.ts'
import { progress, progressDone } from '../progress.ts'
import { type Check, check, renderChecks, renderLastLine, renderTable } from '../report.ts'
import { readBytes } from './files.ts'
import { numberIn, type Range, refuse, type Values } from './values.ts'

export const meshOptions = {
  nodes: { type: 'string' },
  latency: { type: 'string' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
  gateways: { type: 'string' },
  faults: { type: 'string' },
  loss: { type: 'string' },
  jitter: { type: 'string' },
  bound: { type: 'string' },
  threads: { type: 'string' },
} as const

const ranges = {
  nodes: { least: 2, most: 20_000, whole: true },
  seed: { least: 0, most: 2 ** 32 - 1, whole: true },
  minutes: { least: 0.5, most: 1_440, otherwise: 10 },
  gateways: { least: 1, most: 64, whole: true },
  loss: { least: 0, most: 0.5, otherwise: 0.001 },
  jitter: { least: 0, most: 1, otherwise: 0.02 },
  bound: { least: 1, most: 1_000, otherwise: 15 },
  threads: { least: 1, most: 8, whole: true, otherwise: Math.min(8, availableParallelism()) },
} satisfies Readonly<Record<string, Range>>

const matrixWords = 'a square matrix of round trips in ms'
const progressEveryMs = 30_000

export async function runMesh(values: Values, print: (line: string) => void): Promise<void> {
  const file = textOf(values, 'latency')
  const preset = values['faults'] ?? 'usual'
  const nodes = numberOf(values, 'nodes')
  const gateways =
    values['gateways'] === undefined ? gatewaysFor(nodes) : numberOf(values, 'gateways')
  if (gateways >= nodes) refuse(`--gateways ${gateways} of --nodes ${nodes}: none is left to serve`)
  const options: Omit<MeshRunOptions, 'matrix'> = {
    nodes,
    gateways,
    seed: numberOf(values, 'seed'),
    lengthMs: Math.round(numberOf(values, 'minutes') * 60_000),
    loss: numberOf(values, 'loss'),
    jitterShare: numberOf(values, 'jitter'),
    boundMs: numberOf(values, 'bound'),
    faults: faultsOf(preset),
  }
  const matrix = readMatrix(file)
  print(`${options.nodes} nodes on ${matrix.sites} sites of ${file}, seed ${options.seed}`)
  for (const note of matrix.notes) print(`note: ${note}`)
  const result = await simulateMesh(
    { ...options, matrix },
    {
      threads: numberOf(values, 'threads'),
      onProgress: (nowMs) => {
        if (nowMs % progressEveryMs !== 0) return
        progress(`${nowMs / 1000} of ${options.lengthMs / 1000} simulated seconds`)
      },
    },
  )
  progressDone()
  for (const line of ['', ...renderResult(result), '']) print(line)
  const checks = checksOf(result)
  for (const line of renderChecks(checks)) print(line)
  print('')
  const { faults: _, ...told } = options
  const context = {
    ...told,
    faults: preset,
    latency: { file, sites: matrix.sites, notes: matrix.notes },
    ...contextOf(result),
  }
  print(renderLastLine({ bench: 'simulate-mesh', checks, context }))
}

function gatewaysFor(nodes: number): number {
  if (nodes < 10) return 1
  return nodes < 100 ? 2 : 4
}

function checksOf({ checkers, view }: MeshRunResult): readonly Check[] {
  return [
    ...checkers.map(({ name, boundMs, violations }) =>
      check({
        name: `${name}, for longer than ${boundMs / 1000} s`,
        value: violations,
        unit: 'times',
        reach: '<= 0',
      }),
    ),
    check({
      name: 'age of what a gateway knows of a node, 99th percentile',
      value: view.ageP99Ms === null ? null : view.ageP99Ms / 1000,
      unit: 's',
      reach: '<= 3',
    }),
    check({
      name: 'told to a gateway',
      value: view.bytesInPerSecond / 1_000_000,
      unit: 'MB/s',
      reach: '<= 2',
    }),
  ]
}

function contextOf(result: MeshRunResult): Readonly<Record<string, unknown>> {
  const { checkers, rows, detection, ...figures } = result
  return {
    ...figures,
    detection: detection ?? null,
    longestMs: Object.fromEntries(checkers.map(({ name, longestMs }) => [name, longestMs])),
    examples: checkers.flatMap(({ name, examples }) => examples.map((who) => `${name}: ${who}`)),
    last: rows.at(-1) ?? null,
  }
}

function renderResult({ rows, checkers, detection }: MeshRunResult): readonly string[] {
  const table = renderTable(rows, [
    { title: 'minute', cell: ({ atMs }) => (atMs / 60_000).toFixed(1) },
    { title: 'up', cell: ({ up }) => String(up) },
    { title: 'clusters', cell: ({ clusters }) => String(clusters) },
    { title: 'placed', cell: ({ placed, up }) => `${((100 * placed) / up).toFixed(1)} %` },
    { title: 'median size', cell: ({ medianSize }) => String(medianSize) },
    { title: 'largest', cell: ({ largestSize }) => String(largestSize) },
    { title: 'false deaths', cell: ({ falseDeaths }) => String(falseDeaths) },
    { title: 'wrong now', cell: ({ wrongNow }) => String(wrongNow) },
    { title: 'B/s a host', cell: ({ bytesPerSecond }) => bytesPerSecond.toFixed(0) },
    { title: 'a node', cell: ({ nodeBytesPerSecond }) => nodeBytesPerSecond.toFixed(0) },
  ])
  const longest = checkers.map(
    ({ name, longestMs }) => `${name}: ${(longestMs / 1000).toFixed(0)} s at the longest`,
  )
  const seconds = (ms: number) => (ms / 1000).toFixed(1)
  const known =
    detection === undefined
      ? []
      : [
          `members knew of a crash, ${detection.times} times: ` +
            `${seconds(detection.p50Ms)} s p50, ${seconds(detection.p99Ms)} s p99`,
        ]
  return [...table, '', ...renderTraffic(rows), '', ...longest, ...known]
}

/** What nodes say, in the first minute and in the last. */
function renderTraffic(rows: readonly MinuteRow[]): readonly string[] {
  const [first, last] = [rows[0]?.bytesPerSecondOf ?? {}, rows.at(-1)?.bytesPerSecondOf ?? {}]
  const said = Object.keys(last).map((subject) => {
    return { subject, first: first[subject] ?? 0, last: last[subject] ?? 0 }
  })
  return renderTable(
    said.filter((row) => row.first + row.last >= 1).sort((a, b) => b.last - a.last),
    [
      { title: 'B/s a node', align: 'left', cell: ({ subject }) => subject },
      { title: 'first minute', cell: (row) => row.first.toFixed(0) },
      { title: 'last', cell: (row) => row.last.toFixed(0) },
    ],
  )
}

function readMatrix(file: string): LatencyMatrix {
  const bytesMax = matrixLimits.textBytesMax
  return readLatencyMatrix(
    readBytes(file, { option: 'latency', what: matrixWords, bytesMax }),
    file,
  )
}

function numberOf(values: Values, name: keyof typeof ranges): number {
  return numberIn(values, name, ranges[name])
}

function textOf(values: Values, name: string): string {
  const given = values[name]
  if (typeof given === 'string' && given !== '') return given
  refuse(`--${name} is missing: it names a file, ${matrixWords}`)
}

function faultsOf(name: unknown): MeshRunOptions['faults'] {
  const known = Object.entries(faultPresets).find(([preset]) => preset === name)
  if (known !== undefined) return known[1]
  refuse(`--faults ${String(name)}: it is one of ${Object.keys(faultPresets).join(', ')}`)
}
