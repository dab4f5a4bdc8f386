/**
 * What a decision costs, among few candidates (every request pays it) and among many, beside the
 * floor: reading every number of every candidate once. And what its candidates' evidence costs
 * when nothing new was seen for a second.
 *
 * And what decisions lead to, on simulated fleets: `policies.ts`.
 */
import { ManualClock, seededRandom } from '../../src/base/index.ts'
import { EvidenceBook } from '../../src/evidence/index.ts'
import { decisionIdOf, nodeIdOf, requestIdOf, type WorkerId } from '../../src/protocol/index.ts'
import {
  type Candidate,
  type DecideInput,
  decide,
  defaultPolicy,
  renderDecision,
} from '../../src/routing/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress } from '../progress.ts'
import { check, type Report, renderTable } from '../report.ts'
import { quantile } from '../statistics.ts'
import { fullPlan, policyChecks, quickPlan } from './policies.ts'

const seed = 7
const model = 'bench-model'
const sizes = [1, 5, 10, 100, 1_000, 10_000]
/** Decisions per size: these many candidates are looked at in all, and at least 200 times. */
const candidatesSeen = 4_000_000
const candidatesSeenQuick = 100_000
const repeatsMin = 200
const repeatsMax = 40_000
const observationsPerWorker = 30

interface Row {
  readonly size: number
  readonly floorUs: number
  readonly p50Us: number
  readonly p99Us: number
  readonly evidenceUs: number
  readonly explainUs: number
}

export const routingBench: Bench = {
  name: 'routing',
  summary: 'what a decision costs, and how many requests are right and in time, simulated',
  options: {},
  optionsHelp: [],
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
    check({
      name: 'decide, 1,000 candidates, p99',
      value: rows.find(({ size }) => size === 1_000)?.p99Us ?? null,
      unit: 'µs',
      reach: '<= 100',
    }),
  ]
  const policies = policyChecks(options['quick'] === true ? quickPlan : fullPlan, print)
  const about = { machine: describeMachine(), versions: describeVersions([]), seed, rows }
  const context = { ...about, policies: policies.context }
  return { bench: 'routing', checks: [...checks, ...policies.checks], context }
}

function measure(size: number, seen: number): Row {
  const { book, clock, candidates } = network(size)
  const repeats = Math.max(repeatsMin, Math.min(repeatsMax, Math.floor(seen / size)))
  const input = inputOf(candidates)
  const floor = timed(repeats, () => readAll(candidates))
  const decided = timed(repeats, () => decide(input))
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
    evidenceUs: quantile(evidence, 0.5),
    explainUs: quantile(explain, 0.5),
  }
}

/** Kept, so that nothing measured is compiled away. */
let sink: unknown

/** µs of each run, after as many again to warm up (at most 2,000). */
function timed(repeats: number, work: () => unknown, before: () => void = () => {}): number[] {
  for (let i = 0; i < Math.min(repeats, 2_000); i += 1) sink = work()
  const times: number[] = []
  for (let i = 0; i < repeats; i += 1) {
    before()
    const start = performance.now()
    sink = work()
    times.push((performance.now() - start) * 1e3)
  }
  return sink === times ? [] : times
}

function readEvidence(book: EvidenceBook, workers: readonly WorkerId[]): number {
  const evidenceOf = book.of(model)
  let sum = 0
  for (const worker of workers) sum += evidenceOf(worker).completion.lowerBound
  return sum
}

/** What no way of deciding can do without. */
function readAll(candidates: readonly Candidate[]): number {
  let sum = 0
  for (const { offer, load, evidence, inFlight, roundTripMs } of candidates) {
    if (offer === null) continue
    sum += offer.prefillTokensPerSecond + offer.decodeTokensPerSecond + offer.promptPrice
    sum += offer.completionPrice + offer.slots + offer.contextTokensMax + offer.features.length
    sum += load.running + load.waiting + inFlight + (load.draining ? 1 : 0) + (roundTripMs ?? 0)
    const { completion, ttft, tpot } = evidence
    sum += completion.mean + completion.lowerBound + completion.upperBound + completion.samples
    sum += (ttft?.meanMs ?? 0) + (ttft?.samples ?? 0) + (tpot?.meanMs ?? 0) + (tpot?.samples ?? 0)
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
      observe(book, { worker, atMs: clock.now(), ttftMs, isFailure: random.float() < failureShare })
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
}

function observe(book: EvidenceBook, { worker, atMs, ttftMs, isFailure }: Seen): void {
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
