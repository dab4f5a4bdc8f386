/** A worker that stops answering before its first token: its requests move, where they can. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import {
  type GenerationEvent,
  type GenerationRequest,
  hasCode,
  nodeIdOf,
  requestIdOf,
} from '../../protocol/index.ts'
import { defaultPolicy, type RouteRequest } from '../../routing/index.ts'
import { KeptDecisions, KeptObservations, modelOf } from '../gateway.fixture.ts'
import { gatewayLimits } from '../limits.ts'
import { GatewayMetrics } from '../metrics.ts'
import { WorkerRegistry } from '../workers/registry.ts'
import type { Worker, WorkerView } from '../workers/worker.ts'
import { DecisionLog } from './decision-log.ts'
import { Departure } from './departure.ts'
import { Dispatch } from './dispatch.ts'
import { Router } from './router.ts'
import { Trail } from './trail.ts'

const request = { model: 'm', choices: 1, whole: false } as GenerationRequest
const route: RouteRequest = {
  requestId: requestIdOf(new Uint8Array(16)),
  model: 'm',
  features: [],
  promptTokens: 1,
  maxTokens: 1,
  objective: { ttftMs: null, tpotMs: null },
  maxPrice: null,
  region: null,
  exclude: [],
}
const answer: readonly GenerationEvent[] = [
  { type: 'delta', choice: 0, text: 'fine', tokenIds: [1], logprobs: [], extra: null },
  { type: 'finish', choice: 0, reason: 'stop' },
]

/** Says what it is given, and then nothing. */
class HaltedWorker implements Worker {
  readonly id = nodeIdOf(new Uint8Array(32).fill(1))
  readonly view: { -readonly [K in keyof WorkerView]: WorkerView[K] } = viewOf()
  cancelled = false
  words: readonly GenerationEvent[] = []

  describe(): WorkerView {
    return this.view
  }

  async *generate(_request: unknown, { signal }: { signal: AbortSignal }) {
    if (this.words.length > 0) yield this.words
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    this.cancelled = true
  }

  embed(): Promise<never> {
    assert.fail('not asked for')
  }
}

class Collected {
  readonly events: GenerationEvent[] = []
  batch(events: readonly GenerationEvent[]): void {
    this.events.push(...events)
  }
}

function viewOf(): WorkerView {
  const offer = {
    ...modelOf('m', { slots: 4 }),
    ...{ decodeTokensPerSecond: 0, prefillTokensPerSecond: 0, promptPrice: 0, completionPrice: 0 },
  }
  return {
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

function setUp(words: readonly GenerationEvent[] = []) {
  const clock = new ManualClock()
  const evidence = new EvidenceBook({ clock })
  const registry = new WorkerRegistry(gatewayLimits, { clock, evidence })
  const metrics = new GatewayMetrics({
    requestsInFlight: () => 0,
    workers: () => registry.counts(),
  })
  const observations = new KeptObservations()
  const decisionLog = new DecisionLog(new KeptDecisions())
  const common = { clock, evidence, registry, metrics, observations, decisionLog, log: silentLog }
  const router = new Router({ ...common, policy: defaultPolicy, random: seededRandom(1) })
  const dispatch = new Dispatch(gatewayLimits, { ...common, router })
  const halted = new HaltedWorker()
  halted.words = words
  registry.put(halted)
  const trail = new Trail(router.route(route, 'key_test'), common)
  assert.equal(trail.decision.chosen, halted.id)
  const journeying = { trail, arrivedAtMs: 0, departure: new Departure(), further: [] }
  const stream = () => dispatch.stream(request, journeying)
  const whole = () => dispatch.whole({ ...request, whole: true }, journeying, () => new Collected())
  /** Somebody who answers comes later, so that the first choice is certain. */
  const addSound = (change: Partial<WorkerView> = {}) => {
    const sound: Worker = {
      id: nodeIdOf(new Uint8Array(32).fill(2 + registry.all().length)),
      describe: () => ({ ...viewOf(), ...change }),
      async *generate() {
        yield answer
      },
      embed: halted.embed,
    }
    registry.put(sound)
    return sound
  }
  return { clock, observations, halted, stream, whole, addSound }
}

test('a request without a first token moves to a worker that answers', async () => {
  const { clock, observations, halted, stream, addSound } = setUp()
  const asked = stream()
  const sound = addSound()
  await clock.advanceAsync(5_000)
  assert.equal(observations.all.length, 0, 'slowness alone moves nothing')
  halted.view.overdue = true
  await clock.advanceAsync(1_000)
  assert.equal(observations.all.length, 0)
  await clock.advanceAsync(1_000)
  assert.equal((await asked).worker, sound)
  assert.equal(halted.cancelled, true)
  const [first] = observations.all
  assert.deepEqual(first?.outcome, {
    kind: 'failed',
    code: 'peer_unreachable',
    phase: 'before-first-token',
  })
  assert.equal(first?.blame, 'network')
})

test('a whole answer moves also from its middle, a stream that has begun does not', async () => {
  const { clock, observations, halted, whole, addSound } = setUp(answer.slice(0, 1))
  const asked = whole()
  const sound = addSound()
  halted.view.overdue = true
  await clock.advanceAsync(2_000)
  const { worker, collected } = await asked
  assert.equal(worker, sound)
  assert.equal(collected.events.length, answer.length)
  assert.deepEqual(
    observations.all.map(({ outcome }) => outcome),
    [{ kind: 'failed', code: 'peer_unreachable', phase: 'mid-stream' }],
  )
  const other = setUp(answer.slice(0, 1))
  other.addSound()
  const { batches } = await other.stream()
  const reader = batches[Symbol.asyncIterator]()
  await reader.next()
  other.halted.view.overdue = true
  const second = assert.rejects(reader.next(), (error) => hasCode(error, 'stream_interrupted'))
  await other.clock.advanceAsync(gatewayLimits.silenceMs - 1_000)
  assert.equal(other.observations.all.length, 0)
  await other.clock.advanceAsync(2_000)
  await second
})

test('late once and then in time is no halt', async () => {
  const { clock, observations, halted, stream, addSound } = setUp()
  const asked = stream()
  addSound()
  for (let i = 0; i < 6; i += 1) {
    halted.view.overdue = i % 2 === 0
    await clock.advanceAsync(1_000)
  }
  assert.equal(observations.all.length, 0)
  halted.view.overdue = true
  await clock.advanceAsync(2_000)
  await asked
})

test('where nobody else could take it, a worker that may come back is waited for', async () => {
  const { clock, observations, halted, stream, addSound } = setUp()
  const asked = stream()
  const others = { running: 100, waiting: 100, kvTokensFree: 0, draining: false }
  addSound({ load: others })
  halted.view.overdue = true
  await clock.advanceAsync(5_000)
  assert.equal(observations.all.length, 0)
  others.running = 0
  others.waiting = 0
  await clock.advanceAsync(1_000)
  assert.notEqual((await asked).worker, halted)
})

test('where nobody else answers, a worker that may come back is waited for', async () => {
  const { clock, observations, halted, stream, addSound } = setUp()
  const asked = stream()
  halted.view.overdue = true
  addSound({ overdue: true })
  addSound({ connected: false })
  addSound({ models: [] })
  addSound({ load: { ...halted.view.load, draining: true } })
  await clock.advanceAsync(gatewayLimits.firstTokenMs - 1)
  assert.equal(observations.all.length, 0)
  await clock.advanceAsync(1)
  // Then it is one that is silent, as any other; of the others, the one that is late is tried.
  await asked
  assert.deepEqual(
    observations.all.map(({ outcome }) => outcome.kind === 'failed' && outcome.code),
    ['node_failed'],
  )
})
