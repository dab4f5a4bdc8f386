/**
 * Every factor by which decisions are made: two candidates alike in all but that one thing, and
 * the decision follows it, whatever the rest and the seed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { hazardOf, LatencyRecord, newcomer } from '../evidence/index.ts'
import { decide } from './decide.ts'
import { type Common, follows, policy, speed } from './factors.fixture.ts'
import {
  type CandidateChange,
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleProbability,
  sampleRequest,
  sampleWorker,
} from './samples.fixture.ts'

test('completion: the one whose requests come back', () => {
  follows({
    better: () => ({}),
    worse: ({ samples, ttftMs }) => ({ evidence: sampleEvidence(0.8, samples, ttftMs) }),
    decidedBy: 'reliability',
  })
})

test('cleanliness: the one that keeps the rules', () => {
  follows({
    better: () => ({}),
    worse: ({ samples, ttftMs }) => ({
      evidence: {
        ...sampleEvidence(0.99, samples, ttftMs),
        clean: sampleProbability(0.8, samples),
      },
    }),
    decidedBy: 'reliability',
  })
})

test('availability: the one that stays until it is done', () => {
  follows({
    better: ({ samples, ttftMs }) => ({
      evidence: { ...sampleEvidence(0.99, samples, ttftMs), hazard: hazardOf(0, 86_400_000) },
    }),
    worse: ({ samples, ttftMs }) => ({
      evidence: { ...sampleEvidence(0.99, samples, ttftMs), hazard: hazardOf(50_000, 0) },
    }),
    decidedBy: 'reliability',
  })
})

test('latency at the present load: the one that was in time when it was as busy', () => {
  const seen = (ttftMs: number) => {
    const record = new LatencyRecord(600_000)
    for (let i = 0; i < 200; i += 1) {
      record.add({ timing: 'ttft', atMs: 0 }, 100, 0)
      record.add({ timing: 'ttft', atMs: 0 }, ttftMs, 0.5)
    }
    return { record, now: 0 }
  }
  const busy = (slots: number) => ({ others: slots / 2 })
  follows({
    better: ({ samples, slots }) => ({
      ...busy(slots * 2),
      offer: { slots: slots * 2 },
      roundTripMs: 1,
      evidence: { ...sampleEvidence(0.99, samples, 250), latency: seen(200) },
    }),
    worse: ({ samples, slots }) => ({
      ...busy(slots * 2),
      offer: { slots: slots * 2 },
      roundTripMs: 1,
      evidence: { ...sampleEvidence(0.99, samples, 250), latency: seen(900) },
    }),
    request: { objective: { ttftMs: 400, tpotMs: null }, promptTokens: 10 },
    decidedBy: 'reliability',
  })
})

test('length of the record: the proven before the newcomer, whatever the newcomer states', () => {
  follows({
    better: ({ ttftMs }) => ({ evidence: sampleEvidence(1, 300, ttftMs) }),
    worse: () => ({
      evidence: sampleEvidence(1, 0),
      roundTripMs: 1,
      offer: {
        decodeTokensPerSecond: 1e6,
        prefillTokensPerSecond: 1e6,
        promptPrice: 0,
        completionPrice: 0,
      },
    }),
    decidedBy: 'reliability',
  })
})

test('objective: the one more likely to be in time', () => {
  follows({
    better: ({ samples }) => ({ evidence: sampleEvidence(0.99, samples, 250), roundTripMs: 1 }),
    worse: ({ samples }) => ({
      roundTripMs: 1,
      evidence: {
        ...sampleEvidence(0.99, samples, 250),
        ttft: { meanMs: 250, deviationMs: 400, samples },
      },
    }),
    request: { objective: { ttftMs: 400, tpotMs: null }, promptTokens: 10 },
    decidedBy: 'reliability',
  })
})

test('round trip: the nearer one', () => {
  follows({
    better: () => ({ evidence: sampleEvidence(0.99, 200, 20) }),
    worse: ({ roundTripMs }) => ({
      evidence: sampleEvidence(0.99, 200, 20),
      roundTripMs: roundTripMs + 2_000 * 10,
    }),
    decidedBy: 'time',
  })
})

test('an unmeasured link counts as a long one', () => {
  const unseen = { evidence: newcomer, offer: { prefillTokensPerSecond: 1e4 } }
  follows({
    better: () => ({ ...unseen, roundTripMs: 5 }),
    worse: () => ({ ...unseen, roundTripMs: undefined }),
    request: { promptTokens: 1, maxTokens: 1 },
    decidedBy: 'time',
  })
})

test('seen time to the first token: the quicker one', () => {
  follows({
    better: ({ samples }) => ({ evidence: sampleEvidence(0.99, samples, 50) }),
    worse: ({ samples }) => ({ evidence: sampleEvidence(0.99, samples, 30_000) }),
    decidedBy: 'time',
  })
})

test('seen time per token: the quicker one, for answers of some length', () => {
  const withTpot = (tpotMs: number) => (base: Common) => ({
    evidence: {
      ...sampleEvidence(0.99, base.samples, 100),
      tpot: { meanMs: tpotMs, deviationMs: 1, samples: base.samples },
    },
  })
  follows({
    better: withTpot(10),
    worse: withTpot(100),
    request: { maxTokens: 256, promptTokens: 10 },
    decidedBy: 'time',
  })
})

test('stated speed: the faster one, while nobody has been seen at work', () => {
  const newcomerOf = (offer: CandidateChange['offer']) => () => ({
    evidence: newcomer,
    ...(offer === undefined ? {} : { offer }),
    roundTripMs: 5,
  })
  follows({
    better: newcomerOf({ prefillTokensPerSecond: 5_000 }),
    worse: newcomerOf({ prefillTokensPerSecond: 50 }),
    request: { promptTokens: 1_000, maxTokens: 10 },
    decidedBy: 'time',
  })
  follows({
    better: newcomerOf({ decodeTokensPerSecond: 100 }),
    worse: newcomerOf({ decodeTokensPerSecond: 10 }),
    request: { promptTokens: 10, maxTokens: 200 },
    decidedBy: 'time',
  })
})

test('queue: the one with a free slot', () => {
  follows({
    better: ({ slots }) => ({ load: { running: slots - 1 } }),
    worse: ({ slots }) => ({ load: { running: slots, waiting: slots * 3 } }),
    request: { maxTokens: 256 },
    decidedBy: 'time',
  })
})

test('load: of those alike, the one with less to do', () => {
  follows({
    better: () => ({ offer: { slots: 8 }, load: { running: 2 } }),
    worse: () => ({ offer: { slots: 8 }, load: { running: 2 }, inFlight: 1 }),
    decidedBy: 'load',
  })
})

test('price: of those equally busy, the cheaper one', () => {
  follows({
    better: () => ({ offer: { promptPrice: 10, completionPrice: 20 } }),
    worse: () => ({ offer: { promptPrice: 10, completionPrice: 21 } }),
    decidedBy: 'price',
  })
  follows({
    better: () => ({ offer: { promptPrice: 10, completionPrice: 20 } }),
    worse: () => ({ offer: { promptPrice: 11, completionPrice: 20 } }),
    decidedBy: 'price',
  })
})

test('price and load never outweigh reliability', () => {
  follows({
    better: () => ({ offer: { promptPrice: 1e6, slots: 8 }, load: { running: 7 } }),
    worse: ({ samples, ttftMs }) => ({
      offer: { promptPrice: 0, completionPrice: 0, slots: 8 },
      evidence: sampleEvidence(0.8, samples, ttftMs),
    }),
    decidedBy: 'reliability',
  })
})

test('spill: a free slot that is done sooner, when the more reliable have queues', () => {
  follows({
    better: ({ samples, ttftMs }) => ({ evidence: sampleEvidence(0.85, samples, ttftMs) }),
    worse: ({ slots }) => ({ load: { running: slots, waiting: slots * 3 } }),
    request: { maxTokens: 256 },
    decidedBy: 'spill',
  })
})

test('a queue is better than a free slot that mostly fails', () => {
  follows({
    better: ({ slots }) => ({ load: { running: slots, waiting: slots * 3 } }),
    worse: ({ samples, ttftMs }) => ({ evidence: sampleEvidence(0.3, samples, ttftMs) }),
    decidedBy: 'reliability',
  })
})

test('the length of the answer decides between near and fast', () => {
  const near = sampleCandidate(1, { evidence: speed(50, 40) })
  const fast = sampleCandidate(2, { evidence: speed(800, 10) })
  const chosenFor = (maxTokens: number) =>
    decide(
      sampleInput({
        candidates: [near, fast],
        request: { ...sampleRequest, promptTokens: 10, maxTokens },
        policy,
      }),
    ).chosen
  assert.equal(chosenFor(2), near.id)
  assert.equal(chosenFor(256), fast.id)
})

test('draws: of those alike in everything, each gets its share', () => {
  const candidates = [0, 1, 2, 3].map((number) =>
    sampleCandidate(number, { evidence: sampleEvidence(0.99, 300) }),
  )
  const random = seededRandom(5)
  const counts = new Map<string, number>()
  for (let i = 0; i < 4_000; i += 1) {
    const { chosen, decidedBy } = decide(sampleInput({ candidates, random, policy }))
    assert.equal(decidedBy, 'chance')
    counts.set(chosen ?? '', (counts.get(chosen ?? '') ?? 0) + 1)
  }
  for (const { id } of candidates) assert.ok(Math.abs((counts.get(id) ?? 0) - 1_000) < 150)
})

test('exploration: a short record gets its chance by the policy’s share, with a free slot', () => {
  const proven = sampleCandidate(1, { evidence: sampleEvidence(0.99, 300) })
  const chosenAt = (explorationShare: number, running: number) => {
    const candidates = [proven, sampleCandidate(2, { load: { running } })]
    return decide(sampleInput({ candidates, policy: { ...policy, explorationShare } }))
  }
  assert.equal(chosenAt(1, 0).chosen, sampleWorker(2))
  assert.equal(chosenAt(1, 0).decidedBy, 'exploration')
  assert.equal(chosenAt(1, 4).chosen, proven.id)
  assert.equal(chosenAt(0, 0).chosen, proven.id)
})

test('alone: whoever is left', () => {
  const candidates = [sampleCandidate(1, { connected: false }), sampleCandidate(2)]
  const decision = decide(sampleInput({ candidates }))
  assert.equal(decision.chosen, sampleWorker(2))
  assert.equal(decision.decidedBy, 'only')
})
