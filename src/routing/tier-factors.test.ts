/**
 * Every factor of a policy's tiers: two candidates alike in all but that one thing, whatever the
 * rest and the seed; the one that lacks it is rejected by its gate, and taken without the tier.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom } from '../base/index.ts'
import { EvidenceBook } from '../evidence/index.ts'
import { decisionIdOf, type ModelDigest } from '../protocol/index.ts'
import { decide } from './decide.ts'
import { defaultPolicy, policyOf } from './policy.ts'
import type { RouteRequest } from './request.ts'
import { reviveDecision } from './revive.ts'
import {
  anyRule,
  type CandidateChange,
  sampleCandidate,
  sampleEvidence,
  sampleInput,
  sampleRate,
  sampleRequest,
  sampleTier,
  sampleWorker,
} from './samples.fixture.ts'
import type { Tier } from './tier.ts'

const gib = 1024 ** 3
const [own, others] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}` as ModelDigest)
const { version: _, ...values } = defaultPolicy

const common = fc.record({
  seed: fc.integer(),
  promptTokens: fc.integer({ min: 1, max: 1_000 }),
  maxTokens: fc.integer({ min: 1, max: 500 }),
  samples: fc.integer({ min: 100, max: 1_000 }),
  floor: fc.integer({ min: 2, max: 200 }),
  price: fc.integer({ min: 1, max: 1_000_000 }),
  goodFirst: fc.boolean(),
})
type Common = typeof common extends fc.Arbitrary<infer T> ? T : never

interface Factor {
  readonly gate: string
  readonly tier: (base: Common) => Partial<Tier>
  readonly good: (base: Common) => CandidateChange
  readonly bad: (base: Common) => CandidateChange
}

function shutsOut({ gate, tier, good, bad }: Factor): void {
  fc.assert(
    fc.property(common, (base) => {
      const alike = { evidence: sampleEvidence(0.99, base.samples) }
      const pair = [
        sampleCandidate(1, { ...alike, ...good(base) }),
        sampleCandidate(2, { ...alike, ...bad(base) }),
      ]
      if (!base.goodFirst) pair.reverse()
      const { promptTokens, maxTokens } = base
      const request: RouteRequest = { ...sampleRequest, promptTokens, maxTokens }
      const decided = (tiers: readonly Tier[]) =>
        decide(
          sampleInput({
            candidates: pair,
            request,
            policy: policyOf('sample', { ...values, tiers }),
            random: seededRandom(base.seed),
          }),
        )
      const decision = decided([sampleTier(tier(base))])
      assert.equal(decision.chosen, sampleWorker(1))
      assert.equal(decision.decidedBy, 'only')
      assert.equal(decision.tier, 'sample-tier')
      const [rejection] = decision.rejections
      assert.deepEqual([rejection?.worker, rejection?.gate], [sampleWorker(2), gate])
      const free = decided([])
      assert.equal(free.eligible, 2)
      assert.equal(free.tier, null)
      assert.notEqual(free.policyVersion, decision.policyVersion)
    }),
  )
}

test('hardware: the class that the tier allows', () => {
  shutsOut({
    gate: 'hardware',
    tier: () => ({ classes: [{ hardwareClass: 'gpu', ...anyRule }] }),
    good: () => ({ hardwareClass: 'gpu' }),
    bad: () => ({ hardwareClass: 'cpu' }),
  })
})

test('runtime, quantisation, weights: those that the tier pins', () => {
  const pins = [
    [{ runtimes: ['onnx'] }, { runtime: 'onnx/cpu' }, { runtime: 'upstream' }],
    [{ quantisations: ['int4'] }, { quantisation: 'int4' }, { quantisation: 'float32' }],
    [{ digests: [own as ModelDigest] }, { digest: own }, { digest: others }],
  ] as const
  for (const [tier, good, bad] of pins) {
    shutsOut({
      gate: 'build',
      tier: () => tier,
      good: () => ({ offer: good as CandidateChange['offer'] & object }),
      bad: () => ({ offer: bad as CandidateChange['offer'] & object }),
    })
  }
})

test('memory: for the weights', () => {
  shutsOut({
    gate: 'memory',
    tier: () => ({ memoryBytes: 4 * gib }),
    good: () => ({ memoryBytes: 4 * gib }),
    bad: () => ({ memoryBytes: 4 * gib - 1 }),
  })
})

test('memory: for the cache of this very request', () => {
  shutsOut({
    gate: 'memory',
    tier: () => ({ kvBytesPerToken: 1_000 }),
    good: ({ promptTokens, maxTokens }) => ({ memoryBytes: (promptTokens + maxTokens) * 1_000 }),
    bad: ({ promptTokens, maxTokens }) => ({
      memoryBytes: (promptTokens + maxTokens) * 1_000 - 1,
    }),
  })
})

test('throughput: as measured, whatever is stated', () => {
  shutsOut({
    gate: 'throughput',
    tier: ({ floor }) => ({ rule: { ...anyRule, tokensPerSecondMin: floor } }),
    good: ({ samples, floor }) => ({
      evidence: { ...sampleEvidence(0.99, samples), rate: sampleRate(floor) },
      offer: { decodeTokensPerSecond: 1 },
    }),
    bad: ({ samples, floor }) => ({
      evidence: { ...sampleEvidence(0.99, samples), rate: sampleRate(floor - 0.01) },
      offer: { decodeTokensPerSecond: 1_000 },
    }),
  })
})

test('throughput: the floor of the class that is claimed', () => {
  shutsOut({
    gate: 'throughput',
    tier: ({ floor }) => ({
      classes: [
        { hardwareClass: 'cpu', ...anyRule, tokensPerSecondMin: floor },
        { hardwareClass: 'gpu', ...anyRule, tokensPerSecondMin: floor * 2 },
      ],
    }),
    good: ({ samples, floor }) => ({
      hardwareClass: 'cpu',
      evidence: { ...sampleEvidence(0.99, samples), rate: sampleRate(floor) },
    }),
    bad: ({ samples, floor }) => ({
      hardwareClass: 'gpu',
      evidence: { ...sampleEvidence(0.99, samples), rate: sampleRate(floor) },
    }),
  })
})

test('price: of prompts, of completions, and what the class may cost', () => {
  const rule = ({ price }: Common) => ({
    ...anyRule,
    promptPriceMax: price,
    completionPriceMax: price,
  })
  for (const bad of ['promptPrice', 'completionPrice'] as const) {
    shutsOut({
      gate: 'tier-price',
      tier: (base) => ({ rule: rule(base) }),
      good: ({ price }) => ({ offer: { promptPrice: price, completionPrice: price } }),
      bad: ({ price }) => ({
        offer: { promptPrice: price, completionPrice: price, [bad]: price + 1 },
      }),
    })
  }
  shutsOut({
    gate: 'tier-price',
    tier: (base) => ({
      classes: [
        { hardwareClass: 'cpu', ...rule(base), completionPriceMax: base.price - 1 },
        { hardwareClass: 'gpu', ...rule(base) },
      ],
    }),
    good: ({ price }) => ({
      hardwareClass: 'gpu',
      offer: { promptPrice: 0, completionPrice: price },
    }),
    bad: ({ price }) => ({
      hardwareClass: 'cpu',
      offer: { promptPrice: 0, completionPrice: price },
    }),
  })
})

test('a tier asks nothing of other models; those without one are served or not', () => {
  const slow = sampleCandidate(1, {
    evidence: { ...sampleEvidence(0.99, 100), rate: sampleRate(1) },
  })
  const tiers = [sampleTier({ rule: { ...anyRule, tokensPerSecondMin: 50 } })]
  const decided = (model: string, servesOtherModels: boolean) =>
    decide(
      sampleInput({
        candidates: [
          { ...slow, offer: slow.offer === null ? null : { ...slow.offer, name: model } },
        ],
        request: { ...sampleRequest, model },
        policy: policyOf('sample', { ...values, tiers, servesOtherModels }),
      }),
    )
  assert.equal(decided('sample-model', true).outcome, 'none')
  assert.equal(decided('another', true).outcome, 'chosen')
  const refused = decided('another', false)
  assert.equal(refused.outcome, 'none')
  assert.equal(refused.rejections[0]?.gate, 'tier')
})

/** Answers of one model, each at this pace, and what then is known of the worker for both. */
function seenAt(model: string, tpotMs: number) {
  const clock = new ManualClock(1_700_000_000_000)
  const book = new EvidenceBook({ clock })
  for (let attempt = 0; attempt < 50; attempt += 1) {
    clock.advance(100)
    book.observe({
      atMs: clock.now(),
      worker: sampleWorker(1),
      model,
      decision: decisionIdOf(new Uint8Array(16)),
      attempt,
      outcome: { kind: 'completed' },
      blame: 'nobody',
      ttftMs: 100,
      tpotMs,
      promptTokens: 10,
      completionTokens: 10,
      inFlight: 0,
      load: 0,
    })
  }
  return (name: string) => book.evidence(sampleWorker(1), name)
}

test('what is shown in one tier opens no gate of another, and shuts none', () => {
  const tiers = ['small', 'large'].map((name) =>
    sampleTier({ name, models: [name], rule: { ...anyRule, tokensPerSecondMin: 20 } }),
  )
  const policy = policyOf('sample', { ...values, tiers })
  const eligibleFor = (model: string, evidenceOf: ReturnType<typeof seenAt>) => {
    const candidate = sampleCandidate(1, { offer: { name: model }, evidence: evidenceOf(model) })
    const request = { ...sampleRequest, model }
    return decide(sampleInput({ candidates: [candidate], request, policy })).rankings[0]
  }
  const fastInSmall = seenAt('small', 1)
  assert.ok((eligibleFor('small', fastInSmall)?.completionSamples ?? 0) > 49)
  assert.equal(eligibleFor('large', fastInSmall)?.completionSamples, 0)
  const slowInLarge = seenAt('large', 1_000)
  assert.equal(eligibleFor('large', slowInLarge), undefined)
  assert.ok(eligibleFor('small', slowInLarge))
})

test('decisions of before there were tiers are read', () => {
  const kept = JSON.parse(JSON.stringify(decide(sampleInput())))
  delete kept.tier
  assert.equal(reviveDecision(kept).tier, null)
})
