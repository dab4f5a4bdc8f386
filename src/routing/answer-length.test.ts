/** Lengths that were learnt: they move predicted times, and by these the choice; nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import { type AnswerLength, AnswerLengths, hazardOf } from '../evidence/index.ts'
import { assumedTokens, predictedTokens, tellsLength } from './answer-length.ts'
import { decide } from './decide.ts'
import { policy, speed } from './factors.fixture.ts'
import { predict } from './prediction.ts'
import type { RouteRequest } from './request.ts'
import { sampleCandidate, sampleDemand, sampleInput, sampleRequest } from './samples.fixture.ts'

const unlimited = { ...sampleRequest, maxTokens: null }
const lengthOf = fc.record({
  tokens: fc.integer({ min: 1, max: 5_000 }),
  samples: fc.double({ min: 0.5, max: 500, noNaN: true }),
})
const maxTokensOf = fc.option(fc.integer({ min: 1, max: 3_000 }))

function asked(usualAnswer?: AnswerLength, change: Partial<RouteRequest> = {}): RouteRequest {
  const request = { ...unlimited, ...change }
  return usualAnswer === undefined ? request : { ...request, usualAnswer }
}

test('nothing was seen: what the policy assumes, or less where the request allows no more', () => {
  const expected = (maxTokens: number | null) =>
    predictedTokens({ ...unlimited, maxTokens }, policy)
  assert.deepEqual([null, 1_000, 64, 0].map(expected), [256, 256, 64, 1])
})

test('the more answers were seen, the more they count', () => {
  const expected = (samples: number) => predictedTokens(asked({ tokens: 8, samples }), policy)
  assert.deepEqual([4, 8, 16, 1_024].map(expected), [45, 25, 16, 8])
  assert.equal(predictedTokens(asked({ tokens: 900, samples: 1_000 }), policy), 896)
})

test('expected is between the assumption and what was seen, and at most what is asked for', () => {
  fc.assert(
    fc.property(lengthOf, maxTokensOf, (usualAnswer, maxTokens) => {
      const tokens = predictedTokens(asked(usualAnswer, { maxTokens }), policy)
      const ends = [policy.assumedCompletionTokens, usualAnswer.tokens]
      const [least, most] = [Math.min(...ends), Math.max(...ends)]
      assert.ok(tokens <= (maxTokens ?? most) && tokens <= most)
      assert.ok(tokens >= Math.min(least, maxTokens ?? least))
    }),
  )
})

test('an embedding has no answer to write', () => {
  const embedding = asked({ tokens: 900, samples: 100 }, { features: ['embedding'] })
  assert.equal(predictedTokens(embedding, policy), 1)
  assert.equal(assumedTokens(embedding, policy), 1)
})

test('an answer under a limit says something only where that is above what is expected', () => {
  const usual = { tokens: 8, samples: 1_024 }
  const tells = (maxTokens: number | null) => tellsLength(asked(usual, { maxTokens }), policy)
  assert.ok(tells(null) && tells(16))
  assert.ok(!tells(1) && !tells(8))
  const assumed = (maxTokens: number) => tellsLength(asked(undefined, { maxTokens }), policy)
  assert.ok(!assumed(16) && !assumed(256) && assumed(257))
})

/** What is expected after many answers, of which limits let only a part be seen. */
function learnt(median: number, limits: readonly (number | null)[]): number {
  const random = seededRandom(7)
  const lengths = new AnswerLengths()
  const expected = () => {
    const usual = lengths.of('m', 0)
    return usual === undefined ? asked() : asked(usual)
  }
  for (let i = 0; i < 4_000; i += 1) {
    // Of ln(tokens): the sum of twelve is about normal, with a deviation of 1.
    let deviation = -6
    for (let draw = 0; draw < 12; draw += 1) deviation += random.float()
    const written = Math.max(1, Math.round(median * Math.exp(deviation)))
    const maxTokens = limits[random.below(limits.length)] ?? null
    if (!tellsLength({ ...expected(), maxTokens }, policy)) continue
    lengths.add('m', Math.min(written, maxTokens ?? written), 0)
  }
  return predictedTokens(expected(), policy)
}

test('limits make no model look brief, whatever part of the requests has them', () => {
  const isNear = (tokens: number) => tokens > 300 / Math.SQRT2 && tokens < 300 * Math.SQRT2
  for (const limits of [[null], [16, null], [16, 16, 16, null], [16, 64, 128, null]]) {
    assert.ok(isNear(learnt(300, limits)), `${limits}: ${learnt(300, limits)}`)
  }
  for (const limits of [[16], [16, 64, 256]]) {
    assert.equal(learnt(300, limits), policy.assumedCompletionTokens)
  }
  // A long one is told only up to the limit that cuts it, and a short one is learnt under any.
  assert.ok(learnt(3_000, [1_000]) > 512)
  assert.ok(learnt(9, [16, 400]) < 14)
})

const network = fc.record({
  seed: fc.integer(),
  nearMs: fc.integer({ min: 5, max: 60 }),
  furtherMs: fc.integer({ min: 80, max: 300 }),
  readMs: fc.integer({ min: 0, max: 40 }),
  tpotMs: fc.integer({ min: 8, max: 20 }),
  nearFirst: fc.boolean(),
})

test('shorter answers move the choice to the nearer node, longer ones let both take turns', () => {
  fc.assert(
    fc.property(network, ({ seed, nearMs, furtherMs, readMs, tpotMs, nearFirst }) => {
      const at = (number: number, roundTripMs: number) => {
        const evidence = speed(roundTripMs + readMs, tpotMs)
        const offer = { prefillTokensPerSecond: 1e6, decodeTokensPerSecond: 1_000 / tpotMs }
        return sampleCandidate(number, { roundTripMs, evidence, offer })
      }
      const [near, far] = [at(1, nearMs), at(2, nearMs + furtherMs)]
      const decided = (tokens: number) =>
        decide({
          ...sampleInput({ policy, random: seededRandom(seed) }),
          candidates: nearFirst ? [near, far] : [far, near],
          request: asked({ tokens, samples: 100 }, { promptTokens: 1 }),
        })
      const short = decided(3)
      assert.deepEqual([short.chosen, short.decidedBy, short.alike], [near.id, 'time', 1])
      const long = decided(2_000)
      assert.deepEqual([long.decidedBy, long.alike], ['chance', 2])
      assert.equal(long.eligible, short.eligible)
    }),
  )
})

const candidateOf = fc.record({
  running: fc.integer({ min: 0, max: 30 }),
  roundTripMs: fc.integer({ min: 1, max: 300 }),
  kvTokensFree: fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined }),
  promptTokensAhead: fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined }),
  contextTokensMax: fc.integer({ min: 100, max: 2_000 }),
  memoryGib: fc.integer({ min: 1, max: 16 }),
  completionPrice: fc.integer({ min: 0, max: 40 }),
  ttftMs: fc.integer({ min: 20, max: 2_000 }),
})
const objectiveOf = fc.record({
  ttftMs: fc.option(fc.integer({ min: 50, max: 5_000 })),
  tpotMs: fc.option(fc.integer({ min: 5, max: 100 })),
})

test('no gate, price or promise of a first token goes by them', () => {
  fc.assert(
    fc.property(
      fc.array(candidateOf, { minLength: 1, maxLength: 6 }),
      lengthOf,
      objectiveOf,
      maxTokensOf,
      (specs, usualAnswer, objective, maxTokens) => {
        const candidates = specs.map(({ running, memoryGib, ttftMs, ...spec }, i) => {
          const { contextTokensMax, completionPrice, ...rest } = spec
          return sampleCandidate(i, {
            ...rest,
            load: { running },
            memoryBytes: memoryGib * 1024 ** 3,
            offer: { contextTokensMax, completionPrice },
            evidence: { ...speed(ttftMs, 20), hazard: hazardOf(0, 1e9) },
          })
        })
        const rankingsMax = candidates.length
        const decided = (usual?: AnswerLength) =>
          decide({
            ...sampleInput({ policy: { ...policy, rankingsMax }, candidates }),
            request: asked(usual, { objective, maxTokens }),
          })
        const [before, after] = [decided(), decided(usualAnswer)]
        assert.equal(after.completionTokens, before.completionTokens)
        assert.equal(after.outcome, before.outcome)
        assert.deepEqual(after.gateCounts, before.gateCounts)
        assert.deepEqual(after.rejections, before.rejections)
        for (const one of after.rankings) {
          const other = before.rankings.find(({ worker }) => worker === one.worker)
          assert.deepEqual([one.price, one.timely], [other?.price, other?.timely])
          if (objective.ttftMs === null) continue
          assert.equal(one.predictedTtftMs, other?.predictedTtftMs)
        }
      },
    ),
  )
})

test('however long answers were, for room is waited no longer, nor is a request sent away', () => {
  const candidates = [0, 1].map((i) =>
    sampleCandidate(i, { load: { running: 30, waiting: 26 }, evidence: speed(200, 20) }),
  )
  fc.assert(
    fc.property(lengthOf, fc.boolean(), maxTokensOf, (usualAnswer, isSoonAsked, maxTokens) => {
      const objective = { ttftMs: isSoonAsked ? 60_000 : null, tpotMs: null }
      const roomAfterMs = (usual?: AnswerLength) => {
        const request = asked(usual, { objective, maxTokens })
        const decision = decide({ ...sampleInput({ policy, candidates }), request })
        assert.equal(decision.outcome, 'busy')
        return decision.retryAfterMs ?? Number.NaN
      }
      const [before, after] = [roomAfterMs(), roomAfterMs(usualAnswer)]
      if (usualAnswer.tokens >= policy.assumedCompletionTokens) assert.ok(after === before)
      else assert.ok(after > 0 && after <= before, `${after} ms, not ${before} ms`)
    }),
  )
})

test('where nothing is asked of the first token, a queue of short answers is a short one', () => {
  const busy = sampleCandidate(0, { load: { running: 8 }, evidence: speed(200, 20) })
  const queueMs = (usualAnswer: AnswerLength | undefined, ttftMs: number | null = null) => {
    const request = asked(usualAnswer, { objective: { ttftMs, tpotMs: null } })
    return predict(busy, sampleDemand(request)).queueMs
  }
  const short = { tokens: 9, samples: 100 }
  assert.ok(queueMs(short) < queueMs(undefined) / 4)
  assert.equal(queueMs(short, 60_000), queueMs(undefined, 60_000))
})
