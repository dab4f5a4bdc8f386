/**
 * For tests of factors: two candidates alike in all but one thing, and the decision follows it,
 * whatever the rest and the seed.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import { decide } from './decide.ts'
import type { DecidingFactor } from './decision.ts'
import { defaultPolicy } from './policy.ts'
import type { RouteRequest } from './request.ts'
import {
  type CandidateChange,
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleRequest,
} from './samples.fixture.ts'

/** What both candidates share. */
const common = fc.record({
  seed: fc.integer(),
  roundTripMs: fc.integer({ min: 1, max: 200 }),
  promptTokens: fc.integer({ min: 1, max: 1_000 }),
  maxTokens: fc.integer({ min: 1, max: 500 }),
  samples: fc.integer({ min: 100, max: 1_000 }),
  ttftMs: fc.integer({ min: 50, max: 2_000 }),
  slots: fc.integer({ min: 1, max: 16 }),
  betterFirst: fc.boolean(),
})
export type Common = typeof common extends fc.Arbitrary<infer T> ? T : never
/** Exploration has tests of its own. */
export const policy = { ...defaultPolicy, explorationShare: 0 }

interface Factor {
  readonly better: (base: Common) => CandidateChange
  readonly worse: (base: Common) => CandidateChange
  readonly decidedBy: DecidingFactor
  readonly request?: Partial<RouteRequest>
}

export function follows({ better, worse, decidedBy, request }: Factor): void {
  fc.assert(
    fc.property(common, (base) => {
      const alike: CandidateChange = {
        roundTripMs: base.roundTripMs,
        evidence: sampleEvidence(0.99, base.samples, base.ttftMs),
      }
      const change = (one: CandidateChange) => ({
        ...alike,
        ...one,
        offer: { slots: base.slots, ...one.offer },
      })
      const good = sampleCandidate(1, change(better(base)))
      const bad = sampleCandidate(2, change(worse(base)))
      const { promptTokens, maxTokens } = base
      const decision = decide(
        sampleInput({
          candidates: base.betterFirst ? [good, bad] : [bad, good],
          request: { ...sampleRequest, promptTokens, maxTokens, ...request },
          policy,
          random: seededRandom(base.seed),
        }),
      )
      assert.equal(decision.chosen, good.id)
      assert.equal(decision.decidedBy, decidedBy)
    }),
  )
}

export function speed(ttftMs: number, tpotMs: number) {
  return {
    ...sampleEvidence(0.99, 300),
    ttft: { meanMs: ttftMs, deviationMs: 5, samples: 300 },
    tpot: { meanMs: tpotMs, deviationMs: 1, samples: 300 },
  }
}
