/** Who is too slow for a model, from what was seen of it to what routing gets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { EvidenceBook, type Observation } from '../../evidence/index.ts'
import { createIdentity, decisionIdOf, nodeIdOf, type WorkerId } from '../../protocol/index.ts'
import { defaultPolicy, policyOf, type RoutingPolicy, type Tier } from '../../routing/index.ts'
import { modelOf } from '../gateway.fixture.ts'
import { PaceWatch } from './pace-watch.ts'
import { WorkerRegistry } from './registry.ts'
import { StandingKeeper } from './standing-keeper.ts'
import type { Worker } from './worker.ts'

const idOf = (number: number): WorkerId => nodeIdOf(new Uint8Array(32).fill(number))
const { version: _, ...values } = defaultPolicy
const claimed = 100

function workerOf(number: number): Worker {
  const models = ['small', 'large'].map((name) => ({
    ...modelOf(name),
    ...{ decodeTokensPerSecond: claimed, prefillTokensPerSecond: 0 },
    ...{ promptPrice: 0, completionPrice: 0 },
  }))
  const load = { running: 0, waiting: 0, kvTokensFree: 0, draining: false }
  const view = { region: '', models, load, connected: true, overdue: false, record: null }
  const worker = { id: idOf(number), describe: () => view }
  return worker as unknown as Worker
}

function tierWithFloor(tokensPerSecondMin: number): Tier {
  const nothing = { digests: [], runtimes: [], quantisations: [], classes: [] }
  const rule = { tokensPerSecondMin, promptPriceMax: null, completionPriceMax: null }
  const memory = { memoryBytes: 0, kvBytesPerToken: 0 }
  return { name: 'tier', models: ['large'], ...nothing, ...memory, rule }
}

function newPlace() {
  const clock = new ManualClock(1_700_000_000_000)
  const evidence = new EvidenceBook({ clock })
  const registry = new WorkerRegistry(
    { workersMax: 10, disconnectedKeptMs: 1_000 },
    { clock, evidence },
  )
  const state = { policy: defaultPolicy as RoutingPolicy, isTroubled: false }
  const common = { clock, evidence, registry, log: silentLog, random: seededRandom(1) }
  const selfWatch = { wasTroubledSince: () => state.isTroubled }
  const faults = new StandingKeeper({ ...common, identity: createIdentity(), selfWatch })
  const watch = new PaceWatch({ ...common, faults, policy: () => state.policy })
  for (let number = 1; number <= 5; number += 1) registry.put(workerOf(number))
  watch.start()
  /** Answers come at this rate, one each 100 ms; then a look. */
  const answers = (number: number, tokensPerSecond: number, more: Partial<Observation> = {}) => {
    for (let attempt = 0; attempt < (more.attempt ?? 8); attempt += 1) {
      clock.advance(100)
      const seen: Observation = {
        ...{ atMs: clock.now(), worker: idOf(number), model: 'large' },
        ...{ decision: decisionIdOf(new Uint8Array(16)), outcome: { kind: 'completed' } },
        ...{ blame: 'nobody', ttftMs: 10, tpotMs: 1e3 / tokensPerSecond },
        ...{ promptTokens: 10, completionTokens: 10, inFlight: 0, load: 0 },
        ...more,
        attempt,
      }
      evidence.observe(seen)
      faults.seen(seen)
      watch.seen(seen)
    }
    clock.advance(1_000)
  }
  const standing = (number: number, model = 'large') =>
    registry.candidates(model, defaultPolicy).find(({ id }) => id === idOf(number))?.standing
  return { clock, evidence, faults, registry, state, answers, standing }
}

test('a slow liar gets nothing of that model, is re-checked, and shut out for longer', () => {
  const { clock, faults, answers, standing } = newPlace()
  for (const number of [2, 3, 4, 5]) answers(number, 80)
  assert.deepEqual(faults.book.incidents(), [])
  answers(1, 5)
  assert.equal(standing(1)?.state, 'degraded')
  assert.match(standing(1)?.words ?? '', /answers far slower than it says, and than others keep/)
  assert.equal(standing(1, 'small'), undefined)
  assert.equal(standing(2), undefined)
  const [incident] = faults.book.incidents()
  assert.equal(incident?.evidence['claimed'], claimed)
  assert.equal(incident?.evidence['othersKeep'], 0.8)
  clock.advance(60_000)
  assert.equal(standing(1), undefined)
  answers(1, 5)
  assert.equal(standing(1)?.state, 'degraded')
  clock.advance(60_000)
  assert.equal(standing(1)?.state, 'degraded')
  clock.advance(60_000)
  assert.equal(standing(1), undefined)
  // What it is now is all that counts.
  answers(1, 80)
  assert.equal(faults.book.incidents()[0]?.state, 'closed')
  assert.equal(faults.faults().get('below-claim'), 2)
})

test('the floor of the policy in force, for the model of its tier', () => {
  const { state, evidence, faults, answers, standing } = newPlace()
  answers(1, 60)
  assert.equal(standing(1), undefined)
  state.policy = policyOf('strict', { ...values, tiers: [tierWithFloor(70)] })
  answers(1, 60, { attempt: 1 })
  assert.match(standing(1)?.words ?? '', /answers slower than the floor of their tier/)
  assert.equal(standing(1, 'small'), undefined)
  // An operator who lifts it has it measured anew.
  const [incident] = faults.book.incidents()
  assert.ok(evidence.evidence(idOf(1), 'large').rate)
  const lift = { decision: 'lift', reason: 'a mistake', appeal: null, by: 'key_1' } as const
  faults.book.rule(incident?.id ?? 'inc_', lift)
  assert.equal(standing(1), undefined)
  assert.equal(evidence.evidence(idOf(1), 'large').rate, undefined)
})

test('answers that waited for a slot, and a gateway in trouble, accuse nobody', () => {
  const { state, faults, answers } = newPlace()
  state.policy = policyOf('strict', { ...values, tiers: [tierWithFloor(70)] })
  answers(1, 10, { load: 1 })
  answers(2, 10, { tpotMs: null })
  answers(3, 10, { blame: 'gateway' })
  state.isTroubled = true
  answers(4, 10)
  assert.deepEqual(faults.book.incidents(), [])
  state.isTroubled = false
  answers(4, 10)
  assert.equal(faults.book.incidents().length, 1)
})
