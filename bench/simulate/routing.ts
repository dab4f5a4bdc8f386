/** The simulation of routing policies as a command: its options, its table, its last line. */
import {
  type BalancerName,
  balancerNames,
  type FaultyPresetName,
  faultyPresets,
  type RoutingFigures,
  type RoutingInputs,
  readAvailabilityTrace,
  readGpuTable,
  readLatencyMatrix,
  readRequestTrace,
  simulateRouting,
  standInAvailability,
  standInGpus,
  standInLatency,
  standInTrace,
} from '../../src/simulation/index.ts'
import { progress, progressDone } from '../progress.ts'
import { renderLastLine, renderTable } from '../report.ts'
import { readBytes } from './files.ts'
import { numberIn, oneOf, refuse, type Values } from './values.ts'

export const routingOptions = {
  trace: { type: 'string' },
  availability: { type: 'string' },
  latency: { type: 'string' },
  gpus: { type: 'string' },
  seed: { type: 'string' },
  policy: { type: 'string' },
  load: { type: 'string' },
  minutes: { type: 'string' },
  nodes: { type: 'string' },
  gateways: { type: 'string' },
  faulty: { type: 'string' },
} as const

const faultyWords: Readonly<Record<FaultyPresetName, string>> = {
  none: 'nobody',
  crash: '15 % of the nodes fall silent and come back, again and again',
  stall: '15 % take requests and answer none, from some moment on',
  'black-hole': '15 % refuse every request at once',
  'slow-liar': '15 % claim a better processor than they have',
  corrupt: '15 % give wrong answers now and then',
  sybil: 'refuses every request, under a new name whenever it is found out',
  'telling-gateways': 'black holes; gateways tell each other what they have seen',
  'lying-gateway': 'the same, and one gateway that praises black holes and slanders others',
  'lying-gateways': 'the same with three that lie in agreement',
  mixed: '4 % each that crash, stall, refuse, lie, corrupt; and sybils',
}

export const routingHelp: readonly string[] = [
  '  routing    requests, nodes that batch and queue, and a policy that sends one to the other',
  '',
  '      --trace FILE         requests: CSV with TIMESTAMP,ContextTokens,GeneratedTokens (Azure),',
  '                           or lines of JSON with timestamp, input_length, output_length',
  '      --availability FILE  who comes and goes: lines of ms,add or remove,node',
  '      --latency FILE       square matrix of round trips in ms, tab-separated',
  '      --gpus FILE          CSV with model, memory_gb, bandwidth_gb_s, fp16_tflops',
  '                           Each may be gzipped; what is left out is made up, and said to be',
  '      --seed S             a whole number from 0; the same seed gives the same bytes',
  `      --policy NAME        ${balancerNames.slice(0, 5).join(', ')},`,
  `                           ${balancerNames.slice(5).join(', ')}; or all`,
  '      --load SHARE         of what the sound nodes could do, 0.05 to 2; 0.7 unless told',
  '      --minutes M          simulated time, 0.5 to 120; 5 unless told',
  '      --nodes N            2 to 1,000; 40 unless told',
  '      --gateways G         1 to 16; 2 unless told',
  '      --faulty NAME        who fails, and how; none unless told:',
  ...Object.entries(faultyWords).map(([name, words]) => `        ${name.padEnd(17)}  ${words}`),
]

/** Of what is printed. */
export const routingWords: readonly string[] = [
  'For example, with nothing but made-up inputs, and three gateways that lie about nodes:',
  '',
  '  npm run --silent simulate -- routing --policy isochrone --seed 1 --minutes 2 \\',
  '    --faulty lying-gateways',
  '',
  'Two tables, a row per policy: what clients got, of 100 requests and in seconds, and where the',
  'requests went. “right, in time”: whole, right, and its tokens soon enough: the first within 1 s',
  'and 1.5 ms per token of the prompt, each further one within 100 ms; “tokens/s”: those of such',
  'answers. “to faulty”: share of the traffic that faulty nodes got; “slandered”: of a sound node',
  'of which liars speak ill, as a share of its equals’; “fairness”: how evenly equals are used, 1',
  'is best (Jain); – where there are no equals. These three are of what came from 60 s on: a',
  'shorter run says nothing of them. “newcomer after”: requests that a sound newcomer got before',
  'it had four fifths of its equals’ share, – if it never had.',
  'The last line is one line of JSON, for programs.',
]

const ranges = {
  seed: { least: 0, most: 2 ** 27, whole: true },
  load: { least: 0.05, most: 2, otherwise: 0.7 },
  minutes: { least: 0.5, most: 120, otherwise: 5 },
  nodes: { least: 2, most: 1_000, whole: true, otherwise: 40 },
  gateways: { least: 1, most: 16, whole: true, otherwise: 2 },
} as const

export interface Row {
  readonly policy: BalancerName
  readonly figures: RoutingFigures
}

export async function runRouting(values: Values, print: (line: string) => void): Promise<void> {
  const number = (name: keyof typeof ranges) => numberIn(values, name, ranges[name])
  const asked = oneOf(values, 'policy', [...balancerNames, 'all'])
  const presets = Object.keys(faultyPresets) as (keyof typeof faultyPresets)[]
  const faulty = values['faulty'] === undefined ? 'none' : oneOf(values, 'faulty', presets)
  const told = {
    seed: number('seed'),
    load: number('load'),
    lengthMs: Math.round(number('minutes') * 60_000),
    nodes: number('nodes'),
    gateways: number('gateways'),
    faulty,
  }
  const { inputs, files, notes } = readInputs(values)
  print(`${told.nodes} nodes, ${told.load * 100} % load, faulty: ${faulty}, seed ${told.seed}`)
  for (const [what, file] of Object.entries(files)) print(`${what}: ${file}`)
  for (const note of notes) print(`note: ${note}`)
  print('Which processor meets which site, requests and hours is drawn by the seed.')
  const rows = (asked === 'all' ? balancerNames : [asked]).map((policy): Row => {
    const { figures } = simulateRouting({ ...told, policy, inputs }, (nowMs) => {
      if (nowMs % 60_000 !== 0) return
      progress(`${policy}: ${nowMs / 1_000} of ${told.lengthMs / 1_000} simulated seconds`)
    })
    return { policy, figures }
  })
  progressDone()
  for (const line of ['', ...renderRows(rows), '']) print(line)
  const policies = Object.fromEntries(rows.map(({ policy, figures }) => [policy, figures]))
  const context = { ...told, files, notes, policies }
  print(renderLastLine({ bench: 'simulate-routing', checks: [], context }))
}

/** Two tables: one would be half as wide again as a screen. */
export function renderRows(rows: readonly Row[]): readonly string[] {
  const share = (value: number) => (value * 100).toFixed(1)
  const seconds = (ms: number | null) => (ms === null ? '–' : (ms / 1_000).toFixed(2))
  const policy = { align: 'left' as const, cell: ({ policy: name }: Row) => name }
  const got = renderTable(rows, [
    { title: 'what clients got', ...policy },
    { title: 'right, in time', cell: ({ figures }) => share(figures.good) },
    { title: 'late', cell: ({ figures }) => share(figures.late) },
    { title: 'failed', cell: ({ figures }) => share(figures.failed + figures.wrong) },
    { title: 'refused', cell: ({ figures }) => share(figures.refused) },
    { title: 'tokens/s', cell: ({ figures }) => figures.goodputTokensPerSecond.toFixed(0) },
    { title: 'ttft p50 s', cell: ({ figures }) => seconds(figures.ttftP50Ms) },
    { title: 'p99', cell: ({ figures }) => seconds(figures.ttftP99Ms) },
    { title: 'tpot p99 ms', cell: ({ figures }) => figures.tpotP99Ms?.toFixed(0) ?? '–' },
  ])
  const went = renderTable(rows, [
    { title: 'where it went', ...policy },
    { title: 'to faulty %', cell: ({ figures }) => share(toFaulty(figures)) },
    { title: 'slandered', cell: ({ figures }) => figures.slandered?.toFixed(2) ?? '–' },
    { title: 'fairness', cell: ({ figures }) => figures.fairness?.toFixed(3) ?? '–' },
    {
      title: 'newcomer after',
      cell: ({ figures }) => String(figures.newcomer.requestsUntilFair ?? '–'),
    },
  ])
  return [...got, '', ...went]
}

function toFaulty({ faulty }: RoutingFigures): number {
  return Object.values(faulty).reduce((sum, one) => sum + one, 0)
}

const fileWords = {
  trace: 'requests, as CSV or lines of JSON',
  availability: 'who comes and goes, a line each',
  latency: 'a square matrix of round trips in ms',
  gpus: 'processors, as CSV',
} as const

/** What a run needs, from files or made up. */
export function readInputs(values: Values) {
  const files: Record<string, string> = {}
  const one = <T>(
    name: keyof typeof fileWords,
    read: (bytes: Uint8Array, file: string) => T,
    standIn: () => T,
  ): T => {
    const file = values[name]
    if (file === undefined) {
      files[name] = 'made up'
      return standIn()
    }
    if (typeof file !== 'string' || file === '') refuse(`--${name} names a file`)
    files[name] = file
    return read(readBytes(file, { option: name, what: fileWords[name] }), file)
  }
  const trace = one('trace', readRequestTrace, standInTrace)
  const availability = one('availability', readAvailabilityTrace, standInAvailability)
  const matrix = one('latency', readLatencyMatrix, standInLatency)
  const gpus = one('gpus', readGpuTable, standInGpus)
  const inputs: RoutingInputs = { trace, availability, matrix, gpus }
  return { inputs, files, notes: [...trace.notes, ...matrix.notes] }
}
