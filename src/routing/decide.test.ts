/** Whole decisions: who is eligible, what is recorded, and what happens on a retry. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import { type ModelFeature, modelDigestOf, type WorkerId } from '../protocol/index.ts'
import { endAttempt, withAttempt } from './attempts.ts'
import { chooseAgain, couldMove, decide } from './decide.ts'
import type { Ranking } from './decision.ts'
import { refusalOf, summarizeRejections } from './explain/refusal.ts'
import { renderDecision } from './explain/render.ts'
import { gates } from './gates/gates.ts'
import { defaultPolicy } from './policy.ts'
import type { RouteRequest } from './request.ts'
import { reviveDecision } from './revive.ts'
import {
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleRequest,
  sampleWorker,
} from './samples.fixture.ts'

test('a worker whose link owes an answer is asked only where there is no other', () => {
  const [late, sound] = [sampleCandidate(0, { overdue: true }), sampleCandidate(1)]
  for (let seed = 1; seed < 20; seed += 1) {
    const input = sampleInput({ candidates: [late, sound], random: seededRandom(seed) })
    const decision = decide(input)
    assert.equal(decision.chosen, sound.id)
    assert.equal(decision.gateCounts['answering'], 1)
  }
  const busy = sampleCandidate(1, { load: { running: 1_000 } })
  for (const candidates of [[late], [late, busy]]) {
    assert.equal(decide(sampleInput({ candidates })).chosen, late.id)
  }
  const usual = decide(sampleInput({ candidates: [sampleCandidate(0), sound] }))
  assert.equal(usual.eligible, 2)
  assert.equal('answering' in usual.gateCounts, false)
})

const region = fc.constantFrom('eu', 'us', '')
const anyRequest = fc
  .record({
    features: fc.subarray<ModelFeature>(['chat', 'tools', 'images'], { maxLength: 2 }),
    promptTokens: fc.integer({ min: 0, max: 5_000 }),
    maxTokens: fc.option(fc.integer({ min: 1, max: 5_000 })),
    objective: fc.record({
      ttftMs: fc.option(fc.integer({ min: 1, max: 20_000 })),
      tpotMs: fc.option(fc.integer({ min: 1, max: 200 })),
    }),
    maxPrice: fc.option(fc.integer({ min: 0, max: 30 })),
    region: fc.option(region),
    exclude: fc.subarray([sampleWorker(0), sampleWorker(1)]),
  })
  .map((drawn): RouteRequest => ({ ...sampleRequest, ...drawn }))

const anyCandidates = fc
  .array(
    fc.record({
      region,
      offered: fc.boolean(),
      features: fc.subarray<ModelFeature>(['chat', 'tools', 'images']),
      contextTokensMax: fc.constantFrom(0, 512, 8_192),
      price: fc.integer({ min: 0, max: 40 }),
      running: fc.integer({ min: 0, max: 30 }),
      inFlight: fc.integer({ min: 0, max: 5 }),
      draining: fc.boolean(),
      connected: fc.boolean(),
      roundTripMs: fc.option(fc.double({ min: 0, max: 1_000, noNaN: true }), { nil: undefined }),
      completion: fc.double({ min: 0, max: 1, noNaN: true }),
      samples: fc.integer({ min: 0, max: 500 }),
      ttftMs: fc.integer({ min: 1, max: 5_000 }),
    }),
    { maxLength: 30 },
  )
  .map((drawn) =>
    drawn.map((one, number) => {
      const { features, contextTokensMax, price } = one
      const offer = { features, contextTokensMax, promptPrice: price, completionPrice: price }
      return sampleCandidate(number, {
        region: one.region,
        offer: one.offered || number % 2 === 0 ? offer : null,
        load: { running: one.running, draining: one.draining && number % 3 === 0 },
        inFlight: one.inFlight,
        roundTripMs: one.roundTripMs,
        connected: one.connected || number % 2 === 1,
        evidence: sampleEvidence(one.completion, one.samples, one.ttftMs),
      })
    }),
  )

test('every rejected candidate has its reason, and the counts add up', () => {
  const outcomes = new Set<string>()
  fc.assert(
    fc.property(anyRequest, anyCandidates, fc.integer(), (request, candidates, seed) => {
      const decision = decide(sampleInput({ request, candidates, random: seededRandom(seed) }))
      const { gateCounts, rejections } = decision
      const rejected = Object.values(gateCounts).reduce((sum, count) => sum + count, 0)
      assert.equal(rejected + decision.eligible, candidates.length)
      assert.equal(rejections.length, rejected)
      assert.equal(new Set(rejections.map(({ worker }) => worker)).size, rejected)
      for (const { worker, gate, required, actual } of rejections) {
        assert.ok(gates.some(({ name }) => name === gate))
        assert.ok(
          required !== '' && actual !== '' && required !== actual,
          `${required} / ${actual}`,
        )
        assert.notEqual(worker, decision.chosen)
      }
      for (const [gate, count] of Object.entries(gateCounts)) {
        assert.equal(rejections.filter((one) => one.gate === gate).length, count)
      }
      assert.equal(decision.chosen === null, decision.eligible === 0)
      assert.equal(decision.outcome === 'chosen', decision.chosen !== null)
      outcomes.add(decision.outcome)
    }),
    { numRuns: 500 },
  )
  assert.deepEqual(outcomes, new Set(['chosen', 'none', 'busy']))
})

test('the chosen one and whom it was compared with are ranked, in order', () => {
  fc.assert(
    fc.property(anyRequest, anyCandidates, fc.integer(), (request, candidates, seed) => {
      const decision = decide(sampleInput({ request, candidates, random: seededRandom(seed) }))
      const workers = decision.rankings.map(({ worker }) => worker)
      const ranks = decision.rankings.map(({ rank }) => rank)
      assert.equal(new Set(workers).size, workers.length)
      assert.deepEqual(
        ranks,
        [...new Set(ranks)].sort((a, b) => a - b),
      )
      assert.equal(workers.length >= Math.min(defaultPolicy.rankingsMax, decision.eligible), true)
      if (decision.chosen !== null) assert.ok(workers.includes(decision.chosen))
      if (decision.comparedWith !== null) assert.ok(workers.includes(decision.comparedWith))
      assert.equal(decision.comparedWith === null, decision.eligible <= 1)
    }),
  )
})

test('the same input and seed give the same decision', () => {
  fc.assert(
    fc.property(anyRequest, anyCandidates, fc.integer(), (request, candidates, seed) => {
      const once = () => decide(sampleInput({ request, candidates, random: seededRandom(seed) }))
      assert.equal(JSON.stringify(once()), JSON.stringify(once()))
    }),
  )
})

test('a decision reads as text and comes back from JSON as it was', () => {
  fc.assert(
    fc.property(anyRequest, anyCandidates, fc.integer(), (request, candidates, seed) => {
      const decision = decide(sampleInput({ request, candidates, random: seededRandom(seed) }))
      const revived = reviveDecision(JSON.stringify(decision))
      assert.equal(JSON.stringify(revived), JSON.stringify(decision))
      const text = renderDecision(decision)
      assert.equal(renderDecision(revived), text)
      assert.doesNotMatch(text, /undefined|NaN|null|\[object/)
      assert.doesNotMatch(
        `${summarizeRejections(decision)}${decision.reason}`,
        /undefined|NaN|null/,
      )
    }),
  )
})

test('rejections kept are bounded, the counts are not', () => {
  const candidates = Array.from({ length: 50 }, (_, i) => sampleCandidate(i, { connected: false }))
  const policy = { ...defaultPolicy, rejectionsMax: 7 }
  const decision = decide(sampleInput({ candidates, policy }))
  assert.equal(decision.rejections.length, 7)
  assert.equal(decision.gateCounts['connected'], 50)
})

test('nobody can: none; somebody could at another time: busy, with a time', () => {
  const draining = sampleCandidate(0, { load: { draining: true } })
  const full = sampleCandidate(1, { load: { running: 4, waiting: 16 } })
  const none = decide(sampleInput({ candidates: [draining] }))
  assert.equal(none.outcome, 'none')
  assert.deepEqual(refusalOf(none), {
    code: 'no_eligible_node',
    message: summarizeRejections(none),
    param: null,
    retryAfterMs: null,
    waitingHelps: true,
  })
  const busy = decide(sampleInput({ candidates: [draining, full] }))
  assert.equal(busy.outcome, 'busy')
  const refusal = refusalOf(busy)
  assert.equal(refusal?.code, 'all_nodes_busy')
  // 200 ms of prefill, 63 further tokens of 20 ms, 20 ms of link, shared by 4 slots.
  assert.equal(refusal?.retryAfterMs, 370)
  const free = decide(sampleInput({ candidates: [draining, full, sampleCandidate(2)] }))
  assert.equal(free.chosen, sampleWorker(2))
  assert.equal(refusalOf(free), null)
})

test('the longer the queue, the later to come back', () => {
  const retryAfter = (waiting: number) => {
    const candidates = [sampleCandidate(0, { load: { running: 4, waiting } })]
    return decide(sampleInput({ candidates })).retryAfterMs ?? 0
  }
  assert.ok(retryAfter(30) > retryAfter(16))
})

test('a model that nobody has and a prompt that fits nowhere are named as such', () => {
  const refused = (...candidates: ReturnType<typeof sampleCandidate>[]) =>
    refusalOf(decide(sampleInput({ candidates })))?.code
  const without = sampleCandidate(0, { offer: null })
  const small = sampleCandidate(1, { offer: { contextTokensMax: 50 } })
  assert.equal(refused(), 'no_eligible_node')
  assert.equal(refused(without), 'model_not_found')
  assert.equal(refused(without, small), 'context_length_exceeded')
  assert.equal(refused(sampleCandidate(0, { connected: false })), 'no_eligible_node')
})

test('after a failure another worker is chosen, in the same decision', () => {
  const candidates = [sampleCandidate(0), sampleCandidate(1)]
  const first = decide(sampleInput({ candidates }))
  const failedWorker = first.chosen ?? sampleWorker(9)
  let decision = withAttempt(first, { worker: failedWorker, startedAtMs: 100 })
  assert.deepEqual(decision.attempts[0], {
    worker: failedWorker,
    startedAtMs: 100,
    endedAtMs: null,
    ttftMs: null,
    outcome: 'running',
    code: null,
    cause: 'picked',
  })
  decision = endAttempt(decision, { endedAtMs: 150, outcome: 'failed', code: 'node_failed' })
  decision = chooseAgain(decision, sampleInput({ candidates, now: 1_700_000_000_150 }))
  assert.equal(decision.id, first.id)
  assert.ok(decision.chosen !== null && decision.chosen !== failedWorker)
  assert.equal(decision.gateCounts['tried'], 1)
  decision = withAttempt(decision, { worker: decision.chosen, startedAtMs: 160 })
  decision = endAttempt(decision, { endedAtMs: 300, outcome: 'completed', ttftMs: 40 })
  assert.deepEqual(
    decision.attempts.map(({ cause, outcome }) => [cause, outcome]),
    [
      ['picked', 'failed'],
      ['retry', 'completed'],
    ],
  )
  assert.match(
    renderDecision(decision),
    /failed after 50 ms, without a first token \(node_failed: /,
  )
  assert.deepEqual(first.attempts, [])
})

test('a suspect gives way to an equal that is none, and is better than nobody', () => {
  const [suspect, sound] = [sampleCandidate(0, { verdict: 'suspect' }), sampleCandidate(1)]
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = seededRandom(seed)
    const decision = decide(sampleInput({ candidates: [suspect, sound], random }))
    assert.equal(decision.chosen, sound.id)
    assert.deepEqual(decision.rejections, [
      {
        worker: suspect.id,
        gate: 'unsuspected',
        required: 'no suspicion among the members of its cluster',
        actual: 'suspected of being dead',
      },
    ])
  }
  const late = sampleCandidate(1, { overdue: true })
  const either = decide(sampleInput({ candidates: [suspect, late] }))
  assert.equal(either.outcome, 'chosen')
  const alone = decide(sampleInput({ candidates: [suspect] }))
  assert.equal(alone.chosen, suspect.id)
  assert.equal('unsuspected' in decide(sampleInput({ candidates: [sound] })).gateCounts, false)
})

test('one whom the mesh holds for dead is asked for nothing, also where nobody else is', () => {
  const dead = sampleCandidate(0, { verdict: 'dead' })
  const decision = decide(sampleInput({ candidates: [dead] }))
  assert.equal(decision.outcome, 'none')
  assert.deepEqual(decision.gateCounts['alive'], 1)
  const refusal = refusalOf(decision)
  assert.deepEqual([refusal?.code, refusal?.waitingHelps], ['no_eligible_node', true])
  assert.match(refusal?.message ?? '', /No node that offers \S+ is alive, as the mesh sees it/)
})

test('a cache without room costs the wait for one that leaves', () => {
  const ask = (kvTokensFree: number | undefined, running: number) => {
    const candidates = [sampleCandidate(0, { kvTokensFree, load: { running } })]
    return decide(sampleInput({ candidates })).rankings[0]?.predictedQueueMs ?? 0
  }
  assert.equal(ask(undefined, 1), 0)
  assert.equal(ask(164, 1), 0)
  assert.ok(ask(163, 1) > 0)
  assert.equal(ask(163, 2), ask(163, 1) / 2)
  // With nobody there it is the context that is too small, which another gate says.
  assert.equal(ask(0, 0), 0)
})

test('decisions kept before round trips named their source are still read', () => {
  const { first: _, ...decision } = JSON.parse(
    JSON.stringify(
      decide(sampleInput({ candidates: [sampleCandidate(0), sampleCandidate(1, unmeasuredTrip)] })),
    ),
  )
  const rankings = decision.rankings.map(
    ({ roundTripSource, ...rest }: Record<string, unknown>) => {
      assert.ok(roundTripSource)
      return rest
    },
  )
  const first = { ...decision, rankings }
  const kept = { ...decision, rankings, first: pickFirst(first) }
  const revived = reviveDecision(kept)
  const expected = [
    [20, 'measured'],
    [null, 'assumed'],
  ] as const
  const sources = (all: readonly Ranking[]) =>
    all.map(({ roundTripMs, roundTripSource }) => [roundTripMs, roundTripSource] as const)
  for (const all of [revived.rankings, revived.first?.rankings ?? []]) {
    assert.deepEqual(new Map(sources(all)), new Map(expected))
  }
})

const unmeasuredTrip = { roundTripMs: undefined, roundTripSource: 'assumed' } as const

function pickFirst(decision: Record<string, unknown>): Record<string, unknown> {
  const names = 'atMs candidates eligible indistinguishable alike rankings chosen comparedWith'
  const all = `${names} decidedBy reason`.split(' ')
  return Object.fromEntries(all.map((name) => [name, decision[name]]))
}

test('an attempt can be given up where another could take the request, and only there', () => {
  const first = sampleCandidate(0, { overdue: true })
  const ask = (change: Parameters<typeof sampleCandidate>[1], exclude: WorkerId[] = []) => {
    const request = { ...sampleInput().request, exclude }
    const chosen = decide(sampleInput({ candidates: [first], request }))
    const running = withAttempt(chosen, { worker: sampleWorker(0), startedAtMs: 1 })
    return couldMove(running, sampleInput({ candidates: [first, sampleCandidate(1, change)] }))
  }
  assert.equal(ask({}), true)
  assert.equal(ask({}, [sampleWorker(1)]), false)
  assert.equal(ask({ overdue: true }), false)
  assert.equal(ask({ load: { running: 100, waiting: 100 } }), false)
  assert.equal(ask({ offer: null }), false)
})

test('an answer that was begun goes on only where the same model can go on with it', () => {
  const digest = modelDigestOf('1'.repeat(64))
  const able = { digest, features: ['chat', 'continuation'] as const }
  const continuation = { digest, tokens: 5, contextTokensMax: null }
  const candidates = [able, { ...able, digest: null }, { digest }, able].map((offer, i) =>
    sampleCandidate(i, { offer }),
  )
  const [first, ...others] = candidates
  assert.ok(first !== undefined)
  let decision = decide(sampleInput({ candidates: [first] }))
  decision = withAttempt(decision, { worker: first.id, startedAtMs: 1 })
  const present = sampleInput({ candidates })
  assert.equal(couldMove(decision, { ...present, continuation }), true)
  assert.equal(couldMove(decision, { ...present, candidates: others.slice(0, 2) }), true)
  const unable = { ...present, candidates: others.slice(0, 2), continuation }
  assert.equal(couldMove(decision, unable), false)
  decision = endAttempt(decision, { endedAtMs: 9, outcome: 'failed', code: 'connection_lost' })
  const again = chooseAgain(decision, { ...present, continuation })
  assert.equal(again.chosen, sampleWorker(3))
  assert.equal(again.gateCounts['continuation'], 2)
  const none = chooseAgain(decision, unable)
  assert.equal(none.chosen, null)
  assert.match(summarizeRejections(none), /can go on where the answer broke off/)
})

test('when all have failed, nobody is left', () => {
  const candidates = [sampleCandidate(0)]
  let decision = decide(sampleInput({ candidates }))
  decision = withAttempt(decision, { worker: sampleWorker(0), startedAtMs: 1 })
  decision = endAttempt(decision, { endedAtMs: 2, outcome: 'failed', code: 'connection_lost' })
  decision = chooseAgain(decision, sampleInput({ candidates }))
  assert.equal(decision.outcome, 'none')
  assert.match(summarizeRejections(decision), /all of them failed at this request/)
})

test('ending an attempt that never began changes nothing', () => {
  const decision = decide(sampleInput())
  assert.equal(endAttempt(decision, { endedAtMs: 2, outcome: 'abandoned' }), decision)
})

test('damaged decisions are refused with the field', () => {
  const json = JSON.parse(JSON.stringify(decide(sampleInput({ candidates: [sampleCandidate(0)] }))))
  const refuses = (value: unknown, message: RegExp) =>
    assert.throws(() => reviveDecision(value), { code: 'storage_failed', message })
  refuses('{', /not valid JSON/)
  refuses({ ...json, rankings: [{ ...json.rankings[0], price: 'dear' }] }, /rankings\/0\/price/)
  refuses({ ...json, id: 'dec_1' }, /\/id/)
  refuses({ ...json, atMs: 9e99 }, /\/atMs/)
  fc.assert(
    fc.property(fc.anything(), (value) => {
      assert.throws(() => reviveDecision(value), { code: 'storage_failed' })
    }),
  )
})
