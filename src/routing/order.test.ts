import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide } from './decide.ts'
import { defaultPolicy, policyOf } from './policy.ts'
import { sampleCandidate, sampleEvidence, sampleInput } from './samples.fixture.ts'

const { version: _, ...values } = defaultPolicy
/** Every candidate is ranked. */
const policy = policyOf('all', { ...values, rankingsMax: 100 })
const { reliabilityMargin } = policy
const worker = fc.record({
  completion: fc.double({ min: 0, max: 1, noNaN: true }),
  samples: fc.oneof(fc.nat(8), fc.nat(1_000)),
  ttftMs: fc.integer({ min: 1, max: 5_000 }),
  running: fc.nat(5),
  roundTripMs: fc.nat(300),
})
const objective = fc.constantFrom(
  { ttftMs: null, tpotMs: null },
  { ttftMs: 20_000, tpotMs: null },
  { ttftMs: 8_000, tpotMs: 60 },
)

test('the group is whoever reaches the highest lower bound, whoever was before', () => {
  fc.assert(
    fc.property(fc.array(worker, { minLength: 1, maxLength: 40 }), objective, (workers, asked) => {
      const candidates = workers.map(({ completion, samples, ttftMs, running, ...one }, number) => {
        const evidence = sampleEvidence(completion, samples, ttftMs)
        return sampleCandidate(number, { ...one, load: { running }, evidence })
      })
      const base = sampleInput({ candidates, policy })
      const request = { ...base.request, objective: asked }
      const { rankings, indistinguishable, eligible } = decide({ ...base, request })
      assert.equal(rankings.length, eligible)
      const surest = Math.max(0, ...rankings.map(({ reliability }) => reliability))
      const least = surest - reliabilityMargin
      const group = rankings.filter((one) => one.reliabilityAtBest >= least)
      assert.equal(indistinguishable, group.length)
      for (const one of rankings) assert.equal(one.indistinguishable, group.includes(one))
    }),
    { numRuns: 300 },
  )
})

test('whoever states a speed that makes no number of its times comes last', () => {
  for (const speed of [5e-324, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const promptTokensAhead of [undefined, Number.POSITIVE_INFINITY, Number.NaN]) {
      const offer = { prefillTokensPerSecond: speed, decodeTokensPerSecond: 5e-324 }
      const hostile = sampleCandidate(1, { offer, promptTokensAhead, load: { running: 9 } })
      const good = sampleCandidate(0)
      for (const candidates of [
        [hostile, good],
        [good, hostile],
      ]) {
        const base = sampleInput({ candidates, policy })
        const { rankings } = decide({ ...base, request: { ...base.request, promptTokens: 0 } })
        assert.equal(rankings[0]?.worker, good.id, `${speed}, ${promptTokensAhead}`)
      }
    }
  }
})
