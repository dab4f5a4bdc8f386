/**
 * What a decision costs, among few candidates (every request pays it) and among many, on a table
 * that is kept as a gateway keeps it: before each decision one candidate changes, and what the
 * decision sees is noted, so that it can be made again. Beside it the
 * floor, reading once every value of the table that it rests on; a decision with an objective, and
 * one that has to make the table first. And what the candidates' evidence costs when nothing new
 * was seen for a second.
 *
 * The control only counts, for as long as the median decision takes: what its slowest took longer
 * was the machine (a tick of its clock, others who compute there), and that the slowest decisions
 * have as well.
 *
 * And what decisions lead to, on simulated fleets: `policies.ts`.
 */
import { ManualClock, seededRandom } from '../../src/base/index.ts'
import { EvidenceBook } from '../../src/evidence/index.ts'
import { decisionIdOf, nodeIdOf, requestIdOf, type WorkerId } from '../../src/protocol/index.ts'
import {
  type Candidate,
  CandidateTable,
  type DecideInput,
  type Decision,
  decide,
  defaultPolicy,
  renderDecision,
} from '../../src/routing/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress } from '../progress.ts'
import { check, type Report, renderTable } from '../report.ts'
import { quantile } from '../statistics.ts'
import { Notes } from './notes.ts'
import { fullPlan, policyChecks, quickPlan } from './policies.ts'

const seed = 7
const model = 'bench-model'
const sizes = [1, 5, 10, 100, 1_000, 10_000]
/** Decisions per size: these many candidates are looked at in all, and at least 200 times. */
const candidatesSeen = 20_000_000
const candidatesSeenQuick = 100_000
const repeatsMin = 200
const repeatsMax = 40_000
/** Decisions, control and decisions with an objective take turns: a machine has its moods. */
const turnsTaken = 3
const observationsPerWorker = 30

interface Row {
  readonly size: number
  readonly floorUs: number
  readonly p50Us: number
  readonly p99Us: number
  readonly controlP99Us: number
  /** With an objective for the first and each further token. */
  readonly timelyP50Us: number
  readonly timelyP99Us: number
  /** The table is made for it. */
  readonly onceUs: number
  readonly evidenceUs: number
  readonly explainUs: number
}

export const routingBench: Bench = {
  name: 'routing',
  summary: 'what a decision costs, and how many requests are right and in time, simulated',
  options: {},
  optionsHelp: ['takes about a quarter of an hour on two cores; it has no options of its own'],
  run: async (options, print) => run(options, print),
}

function run(options: BenchOptions, print: (line: string) => void): Report {
  const seen = options['quick'] === true ? candidatesSeenQuick : candidatesSeen
  const rows = sizes.map((size) => {
    progress(`${size} candidates`)
    return measure(size, seen)
  })
  const us = (value: number) => value.toFixed(value < 10 ? 2 : 0)
  const table = renderTable(rows, [
    { title: 'candidates', cell: ({ size }) => String(size) },
    { title: 'floor', cell: ({ floorUs }) => us(floorUs) },
    { title: 'decide p50', cell: ({ p50Us }) => us(p50Us) },
    { title: 'p99', cell: ({ p99Us }) => us(p99Us) },
    { title: 'control p99', cell: ({ controlP99Us }) => us(controlP99Us) },
    { title: 'with an objective p50', cell: ({ timelyP50Us }) => us(timelyP50Us) },
    { title: 'p99', cell: ({ timelyP99Us }) => us(timelyP99Us) },
    { title: 'table made anew', cell: ({ onceUs }) => us(onceUs) },
    { title: 'evidence, a second later', cell: ({ evidenceUs }) => us(evidenceUs) },
    { title: 'explain', cell: ({ explainUs }) => us(explainUs) },
  ])
  for (const line of table) print(line)
  const p50 = (size: number) => rows.find((row) => row.size === size)?.p50Us ?? null
  const checks = [
    check({ name: 'decide, 10 candidates, p50', value: p50(10), unit: 'µs', reach: '<= 10' }),
    check({
      name: 'decide, 1,000 candidates, p50',
      value: p50(1_000),
      unit: 'µs',
      reach: '<= 100',
    }),
    ...[1_000, 10_000].map((size) =>
      check({
        name: `decide, ${size.toLocaleString('en')} candidates, p99`,
        value: rows.find((row) => row.size === size)?.p99Us ?? null,
        unit: 'µs',
        reach: `<= ${size / 10}`,
      }),
    ),
  ]
  const policies = policyChecks(options['quick'] === true ? quickPlan : fullPlan, print)
  const about = { machine: describeMachine(), versions: describeVersions([]), seed, rows }
  const context = { ...about, policies: policies.context }
  return { bench: 'routing', checks: [...checks, ...policies.checks], context }
}

function measure(size: number, seen: number): Row {
  const { book, clock, candidates } = network(size)
  const repeats = Math.max(repeatsMin, Math.min(repeatsMax, Math.floor(seen / size)))
  const table = new CandidateTable(defaultPolicy)
  for (const candidate of candidates) table.push(candidate)
  const input = { ...inputOf(candidates), table }
  const objective = { ttftMs: 10_000, tpotMs: 200 }
  const timely = { ...input, request: { ...input.request, objective } }
  let turn = 0
  const change = () => {
    turn = (turn + 1) % size
    const candidate = candidates[turn]
    if (candidate !== undefined) table.put(turn, candidate)
  }
  const floor = timed(repeats, () => readAll(table))
  const notes = new Notes(candidates)
  let last: Decision | undefined
  const noted = () => {
    last = decide({ ...input, view: notes.mark() })
    return last
  }
  // When a request is over, what its decision saw becomes a hash; and then something changes.
  const goOn = () => {
    sink = last?.rounds[0]?.view?.hash
    change()
  }
  const decided: number[] = []
  const control: number[] = []
  const timelyDecided: number[] = []
  const share = Math.ceil(repeats / turnsTaken)
  const perUs = countsPerUs()
  for (let i = 0; i < turnsTaken; i += 1) {
    decided.push(...timed(share, noted, goOn))
    const counts = quantile(decided, 0.5) * perUs
    control.push(...timed(share, () => countTo(counts)))
    timelyDecided.push(...timed(share, () => decide(timely), change))
  }
  const once = timed(repeatsMin, () => decide(inputOf(candidates)))
  const decision = decide(input)
  const workers = candidates.map(({ id }) => id)
  const evidence = timed(
    Math.min(repeats, 1_000),
    () => readEvidence(book, workers),
    () => {
      clock.advance(1_000)
    },
  )
  const explain = timed(repeatsMin, () => renderDecision(decision))
  return {
    size,
    floorUs: quantile(floor, 0.5),
    p50Us: quantile(decided, 0.5),
    p99Us: quantile(decided, 0.99),
    controlP99Us: quantile(control, 0.99),
    timelyP50Us: quantile(timelyDecided, 0.5),
    timelyP99Us: quantile(timelyDecided, 0.99),
    onceUs: quantile(once, 0.5),
    evidenceUs: quantile(evidence, 0.5),
    explainUs: quantile(explain, 0.5),
  }
}

/** Kept, so that nothing measured is compiled away. */
let sink: unknown

/** As long as V8 may take until what runs is what a busy gateway runs. */
const warmUpMs = 1_000

/** µs of each run, once warm. */
function timed(repeats: number, work: () => unknown, before: () => void = () => {}): number[] {
  for (const untilMs = performance.now() + warmUpMs; performance.now() < untilMs; ) {
    before()
    sink = work()
  }
  const times: number[] = []
  for (let i = 0; i < repeats; i += 1) {
    before()
    const start = performance.now()
    sink = work()
    times.push((performance.now() - start) * 1e3)
  }
  return sink === times ? [] : times
}

function countTo(end: number): number {
  let sum = 0
  for (let i = 0; i < end; i += 1) sum += i % 3
  return sum
}

/** As long as nothing disturbs. */
function countsPerUs(): number {
  const end = 10_000
  return (
    end /
    quantile(
      timed(repeatsMin, () => countTo(end)),
      0.5,
    )
  )
}

function readEvidence(book: EvidenceBook, workers: readonly WorkerId[]): number {
  const evidenceOf = book.of(model)
  let sum = 0
  for (const worker of workers) sum += evidenceOf(worker).completion.lowerBound
  return sum
}

/** What no way of deciding can do without: 212 bytes of each candidate. */
function readAll(table: CandidateTable): number {
  const { barred, contextMax, memoryBytes, times, records } = table
  let sum = 0
  for (const column of [barred, contextMax, memoryBytes, times, records]) {
    const used = table.size * (column.length / barred.length)
    for (let at = 0; at < used; at += 1) sum += column[at] as number
  }
  return sum
}

/** Workers of different speed, distance, load and record; one in ten fails now and then. */
function network(size: number) {
  const random = seededRandom(seed)
  const clock = new ManualClock(1_700_000_000_000)
  const book = new EvidenceBook({ clock })
  const workers = Array.from({ length: size }, () => nodeIdOf(random.bytes(32)))
  for (const worker of workers) {
    const failureShare = random.float() < 0.1 ? 0.2 : 0
    const ttftMs = 50 + random.float() * 300
    for (let i = 0; i < observationsPerWorker; i += 1) {
      clock.advance(1)
      const isFailure = random.float() < failureShare
      observe(book, { worker, atMs: clock.now(), ttftMs, isFailure, load: (i % 4) / 4 })
    }
  }
  const evidenceOf = book.of(model)
  const candidates = workers.map((id): Candidate => {
    const speed = 20 + random.float() * 80
    return {
      id,
      region: 'eu',
      offer: offerOf(speed),
      load: { running: random.below(4), waiting: 0, kvTokensFree: 10_000, draining: false },
      inFlight: 0,
      others: undefined,
      kvTokensFree: undefined,
      promptTokensAhead: undefined,
      roundTripMs: 1 + random.float() * 200,
      roundTripSource: 'measured',
      connected: true,
      overdue: false,
      verdict: undefined,
      integerExact: true,
      hardwareClass: 'other',
      machine: '',
      memoryBytes: undefined,
      evidence: evidenceOf(id),
    }
  })
  return { book, clock, candidates }
}

function offerOf(decodeTokensPerSecond: number): Candidate['offer'] {
  return {
    name: model,
    digest: null,
    runtime: 'onnx/cpu',
    quantisation: 'float32',
    contextTokensMax: 4_096,
    decodeTokensPerSecond,
    prefillTokensPerSecond: decodeTokensPerSecond * 10,
    slots: 4,
    features: ['chat', 'completion', 'seed', 'logprobs'],
    promptPrice: 10,
    completionPrice: 20,
  }
}

interface Seen {
  readonly worker: WorkerId
  readonly atMs: number
  readonly ttftMs: number
  readonly isFailure: boolean
  readonly load: number
}

function observe(book: EvidenceBook, { worker, atMs, ttftMs, isFailure, load }: Seen): void {
  book.observe({
    atMs,
    worker,
    model,
    decision: decisionIdOf(new Uint8Array(16)),
    attempt: 0,
    outcome: isFailure
      ? { kind: 'failed', code: 'node_failed', phase: 'before-first-token' }
      : { kind: 'completed' },
    blame: isFailure ? 'node' : 'nobody',
    ttftMs: isFailure ? null : ttftMs,
    tpotMs: isFailure ? null : ttftMs / 10,
    promptTokens: 100,
    completionTokens: 64,
    inFlight: 0,
    load,
    promptTokensAhead: 100 * load,
  })
}

function inputOf(candidates: readonly Candidate[]): DecideInput {
  return {
    request: {
      requestId: requestIdOf(new Uint8Array(16)),
      model,
      features: ['chat'],
      promptTokens: 100,
      maxTokens: 64,
      objective: { ttftMs: null, tpotMs: null },
      maxPrice: null,
      region: null,
      exclude: [],
    },
    candidates,
    policy: defaultPolicy,
    random: seededRandom(seed),
    now: 1_700_000_000_000,
    decisionId: decisionIdOf(new Uint8Array(16)),
    keyId: null,
  }
}
