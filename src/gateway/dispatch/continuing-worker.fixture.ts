/**
 * For tests: workers that all have the same answer to give, token by token, and that fail at it
 * where they are told to; and a dispatch among them.
 */
import assert from 'node:assert/strict'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import {
  type ErrorCode,
  type GenerationDelta,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
  modelDigestOf,
  nodeIdOf,
  type OfferedModel,
  requestIdOf,
  type WorkerId,
} from '../../protocol/index.ts'
import { defaultPolicy, type Objective, type RouteRequest } from '../../routing/index.ts'
import { KeptDecisions, KeptObservations, modelOf } from '../gateway.fixture.ts'
import { type GatewayLimits, gatewayLimits } from '../limits.ts'
import { GatewayMetrics } from '../metrics.ts'
import { WorkerRegistry } from '../workers/registry.ts'
import type { CallLimits, Worker, WorkerView } from '../workers/worker.ts'
import { DecisionLog } from './decision-log.ts'
import { Departure } from './departure.ts'
import { Dispatch } from './dispatch.ts'
import { Router } from './router.ts'
import { Trail } from './trail.ts'

export type Batch = readonly GenerationEvent[]

/** Token i of every choice says the i-th of these; some say nothing yet, as half a character. */
const pieces = ['Li', 'ma', '', ' 🦙', ' is', '', '', ' far', ' a', 'way', '.']
export const answerTokens = pieces.length

export function requestOf(changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return { model: 'm', choices: 1, whole: false, maxTokens: 64, ...changes } as GenerationRequest
}

function deltaOf(choice: number, at: number): GenerationDelta {
  const text = pieces[at] ?? ''
  const entry = { token: text, logprob: -at, bytes: [at] }
  const logprobs = text === '' ? [] : [{ ...entry, top: [entry] }]
  return { type: 'delta', choice, text, tokenIds: [100 * choice + at], logprobs, extra: null }
}

/** All events of an answer that nobody disturbs, the choices by turns, some longer than others. */
export function wholeAnswer(choices = 1): readonly GenerationEvent[] {
  const events: GenerationEvent[] = []
  for (let at = 0; at < pieces.length; at += 1) {
    for (let choice = 0; choice < choices; choice += 1) {
      const last = pieces.length - 1 - choice
      if (at <= last) events.push(deltaOf(choice, at))
      if (at === last) events.push({ type: 'finish', choice, reason: 'stop' })
    }
  }
  const completionTokens = events.filter(({ type }) => type === 'delta').length
  return [...events, { type: 'usage', promptTokens: 7, completionTokens, cachedTokens: 0 }]
}

/** What goes on behind these tokens: a repetition of them first. */
function continuedAnswer(continued: readonly (readonly number[])[]): readonly GenerationEvent[] {
  const repeated: GenerationEvent[] = []
  for (const [choice, { length }] of continued.entries()) {
    if (length === 0) continue
    const text = pieces.slice(0, length).join('')
    const tokenIds = Array.from({ length }, (_, at) => 100 * choice + at)
    repeated.push({ type: 'delta', choice, text, tokenIds, logprobs: [], extra: null })
  }
  const skipped = continued.map(() => 0)
  const rest = wholeAnswer(continued.length).filter((event) => {
    if (event.type !== 'delta') return true
    const before = skipped[event.choice] ?? 0
    skipped[event.choice] = before + 1
    return before >= (continued[event.choice]?.length ?? 0)
  })
  return [...repeated, ...rest]
}

export interface Ways {
  /** Events that it gives before it fails; absent: it does not. */
  readonly failsAfter?: number
  /** As what; default: its connection broke. */
  readonly failsAs?: ErrorCode
  /** Instead of failing it says nothing any more, and the rest when it is told to stop. */
  readonly stalls?: boolean
  /** It says nothing before. */
  readonly begins?: Promise<unknown>
  /** Before each batch. */
  readonly pace?: () => Promise<unknown>
  /** Events per batch. */
  readonly batch?: number
  readonly offer?: Partial<OfferedModel>
  /** What it makes of its events. */
  readonly lie?: (events: readonly GenerationEvent[]) => readonly GenerationEvent[]
}

export const sameModel = { digest: modelDigestOf('1'.repeat(64)) }

export class ContinuingWorker implements Worker {
  readonly id
  readonly requests: GenerationRequest[] = []
  readonly view: { -readonly [K in keyof WorkerView]: WorkerView[K] }
  cancelled = 0
  /** Calls that were told to stop. */
  stopped = 0
  readonly #ways: Ways

  constructor(number: number, ways: Ways = {}) {
    this.id = nodeIdOf(new Uint8Array(32).fill(number))
    this.#ways = ways
    const features = ['chat', 'completion', 'continuation'] as const
    const offer = {
      ...modelOf('m', { slots: 64, ...sameModel, features }),
      ...{ decodeTokensPerSecond: 0, prefillTokensPerSecond: 0 },
      ...{ promptPrice: 0, completionPrice: 0 },
      ...ways.offer,
    }
    this.view = {
      region: '',
      models: [offer],
      load: { running: 0, waiting: 0, kvTokensFree: 0, draining: false },
      roundTripMs: 1,
      connected: true,
      overdue: false,
      integerExact: true,
      record: null,
    }
  }

  describe(): WorkerView {
    return this.view
  }

  async *generate(request: GenerationRequest, { signal }: CallLimits) {
    this.requests.push(request)
    const { continued, choices } = request
    const { batch = 1, begins, failsAfter, failsAs, pace, stalls } = this.#ways
    const { lie = (events: readonly GenerationEvent[]) => events } = this.#ways
    signal.addEventListener('abort', () => {
      this.stopped += 1
    })
    if (begins !== undefined) await begins
    const all = lie(continued === undefined ? wholeAnswer(choices) : continuedAnswer(continued))
    const given = all.slice(0, failsAfter ?? all.length)
    for (let at = 0; at < given.length; at += batch) {
      if (pace !== undefined) await pace()
      yield given.slice(at, at + batch)
    }
    if (failsAfter === undefined) return
    if (stalls !== true) throw new IsochroneError(failsAs ?? 'connection_lost', 'It broke.')
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    this.cancelled += 1
    yield all.slice(failsAfter)
  }

  embed(): Promise<never> {
    assert.fail('not asked for')
  }
}

const route: RouteRequest = {
  requestId: requestIdOf(new Uint8Array(16)),
  model: 'm',
  features: [],
  promptTokens: 1,
  maxTokens: 64,
  objective: { ttftMs: null, tpotMs: null },
  maxPrice: null,
  region: null,
  exclude: [],
}

export interface SetUp {
  /** The first one is chosen first. */
  readonly workers: readonly ContinuingWorker[]
  readonly request?: GenerationRequest
  readonly further?: readonly GenerationRequest[]
  readonly limits?: Partial<GatewayLimits>
  /** Who goes on is drawn by lot. */
  readonly seed?: number
  /** Asked for with all of them there; then the first one is chosen by lot. */
  readonly objective?: Objective
  /** Nobody has room when it is asked for. */
  readonly isBusy?: boolean
}

export function setUp(asked: SetUp) {
  const { workers, request = requestOf(), further = [], limits, seed = 1, objective } = asked
  const { isBusy = false } = asked
  const clock = new ManualClock()
  const evidence = new EvidenceBook({ clock })
  const registry = new WorkerRegistry(gatewayLimits, { clock, evidence })
  const suspects = new Set<WorkerId>()
  registry.isSuspected = (id) => suspects.has(id)
  const metrics = new GatewayMetrics({
    requestsInFlight: () => 0,
    workers: () => registry.counts(),
  })
  const observations = new KeptObservations()
  const decisionLog = new DecisionLog(new KeptDecisions())
  const common = { clock, evidence, registry, metrics, observations, decisionLog, log: silentLog }
  const router = new Router({ ...common, policy: defaultPolicy, random: seededRandom(seed) })
  const dispatch = new Dispatch({ ...gatewayLimits, ...limits }, { ...common, router })
  const [first, ...others] = workers
  assert.ok(first !== undefined)
  registry.put(first)
  if (objective !== undefined) for (const other of others) registry.put(other)
  const wanted = { ...route, objective: objective ?? route.objective }
  let decision = router.route(wanted, 'key_test')
  while (!isBusy && decision.chosen !== first.id) decision = router.route(wanted, 'key_test')
  const trail = new Trail(decision, common)
  if (objective === undefined) for (const other of others) registry.put(other)
  const departure = new Departure()
  const journeying = { trail, arrivedAtMs: 0, departure, further }
  return {
    ...{ clock, observations, trail, departure, metrics, registry, suspects },
    stream: () => dispatch.stream(request, journeying),
    whole: () => dispatch.whole({ ...request, whole: true }, journeying, () => new Collected()),
  }
}

export class Collected {
  readonly events: GenerationEvent[] = []
  batch(events: Batch): void {
    this.events.push(...events)
  }
}

/** Everything that a client reads of a stream, and the error at its end. */
export async function read(batches: AsyncIterable<Batch>) {
  const events: GenerationEvent[] = []
  try {
    for await (const batch of batches) events.push(...batch)
  } catch (error) {
    return { events, error }
  }
  return { events, error: undefined }
}

/** By choice: whatever was in one batch, each has its own order. */
export function byChoice(events: readonly GenerationEvent[]) {
  const usages = events.filter(({ type }) => type === 'usage')
  const answers = Map.groupBy(
    events.filter((event) => event.type !== 'usage'),
    ({ choice }) => choice,
  )
  return { usages, answers }
}
