import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { modelFeatures } from '../../protocol/index.ts'
import { defaultPolicy, policyOf } from '../policy.ts'
import { takePool } from '../pool.ts'
import { emptyPrediction, predictRows } from '../prediction.ts'
import {
  anyRule,
  sampleCandidate,
  sampleDemand,
  sampleEvidence,
  sampleRate,
  sampleTier,
} from '../samples.fixture.ts'
import { CandidateTable } from '../table.ts'
import { bitsOf, columnGates, passStates, passTimes } from './columns.ts'

const breakers = (['open', 'half-open', 'half-open', 'waiting'] as const).map((state, i) => ({
  state,
  takes: i === 2,
  words: state,
  leftMs: 1_000,
}))
const rule = { ...anyRule, tokensPerSecondMin: 20, completionPriceMax: 20 }
const tier = sampleTier({
  runtimes: ['onnx'],
  memoryBytes: 500,
  kvBytesPerToken: 10,
  classes: [
    { hardwareClass: 'cpu', ...anyRule },
    { hardwareClass: 'gpu', ...rule },
  ],
})
const { version: _, ...values } = defaultPolicy
const tiered = policyOf('tiered', { ...values, tiers: [tier] })
const mostly = fc.nat(9).map((drawn) => drawn > 0)
const seldom = mostly.map((is) => !is)
const response = fc.record({
  meanMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
  promptTokens: fc.integer({ min: 0, max: 5_000 }),
  load: fc.double({ min: 0, max: 4, noNaN: true }),
  msPerPromptToken: fc.double({ min: 0, max: 2, noNaN: true }),
  msPerLoad: fc.double({ min: 0, max: 500, noNaN: true }),
  deviationMs: fc.double({ min: 0, max: 500, noNaN: true }),
  samples: fc.double({ min: 0, max: 100, noNaN: true }),
})
const candidate = fc
  .record({
    number: fc.nat(1_000),
    isOffered: mostly,
    connected: mostly,
    draining: seldom,
    overdue: seldom,
    verdict: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom('suspect' as const, 'dead' as const) },
    ),
    isCondemned: seldom,
    isTried: fc.constantFrom(undefined, true),
    breaker: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(...breakers) },
    ),
    features: fc.oneof(fc.constant([...modelFeatures]), fc.subarray([...modelFeatures])),
    contextTokensMax: fc.constantFrom(0, 200, 8_192),
    running: fc.nat(30),
    promptTokensAhead: fc.option(fc.nat(10_000), { nil: undefined }),
    prefillTokensPerSecond: fc.constantFrom(0, 100, 10_000),
    completionPrice: fc.constantFrom(5, 50),
    runtime: fc.constantFrom('onnx/cpu', 'upstream'),
    hardwareClass: fc.constantFrom('cpu', 'gpu', 'other'),
    memoryBytes: fc.constantFrom(undefined, 1_000, 1_000_000),
    rate: fc.constantFrom(undefined, 10, 100),
    response: fc.option(response, { nil: undefined }),
    ttftMs: fc.integer({ min: 1, max: 3_000 }),
  })
  .map(({ number, isOffered, isCondemned, isTried, running, draining, response: seen, ...one }) => {
    const { features, contextTokensMax, prefillTokensPerSecond, ttftMs, ...others } = one
    const { completionPrice, rate, runtime, ...rest } = others
    const measured = rate === undefined ? undefined : sampleRate(rate)
    const evidence = { ...sampleEvidence(0.9, 50, ttftMs), response: seen, rate: measured }
    const offer = { features, contextTokensMax, prefillTokensPerSecond, completionPrice, runtime }
    const standing = { state: 'probation', incident: 'inc_a', words: 'w', takes: isTried }
    return sampleCandidate(number, {
      ...rest,
      evidence,
      load: { running, draining },
      offer: isOffered ? offer : null,
      ...(isCondemned ? { standing: standing as never } : {}),
    })
  })
const demand = fc
  .record({
    features: fc.subarray([...modelFeatures], { maxLength: 1 }),
    promptTokens: fc.integer({ min: 0, max: 2_000 }),
    maxTokens: fc.option(fc.integer({ min: 1, max: 2_000 })),
    ttftMs: fc.option(fc.integer({ min: 1, max: 20_000 })),
    tpotMs: fc.option(fc.integer({ min: 1, max: 100 })),
    avoidsOverdue: fc.boolean(),
    avoidsSuspects: fc.boolean(),
    avoidsBroken: fc.boolean(),
    takesLate: fc.boolean(),
    avoidsOverstated: fc.boolean(),
    isTiered: fc.boolean(),
  })
  .map(({ features, promptTokens, maxTokens, ttftMs, tpotMs, isTiered, ...avoids }) => ({
    ...sampleDemand({ features, promptTokens, maxTokens, objective: { ttftMs, tpotMs } }),
    ...avoids,
    ...(isTiered ? { policy: tiered, tier } : {}),
  }))

test('who passes by the columns passes by the gates, one after the other, and nobody else', () => {
  const passed = { both: 0, neither: 0 }
  fc.assert(
    fc.property(fc.array(candidate, { minLength: 1 }), demand, (candidates, asked) => {
      const table = new CandidateTable(asked.policy)
      for (const one of candidates) table.push(one)
      const pool = takePool(table, asked)
      passStates(pool)
      predictRows(pool, table, asked)
      passTimes(pool)
      const byColumns = new Set(pool.rows.subarray(0, pool.size))
      for (const [row, one] of candidates.entries()) {
        const fresh = { ...asked, prediction: emptyPrediction() }
        const byGates = [...columnGates.keys()].every(
          (gate) => !gate.applies(fresh) || gate.check(one, fresh) === undefined,
        )
        assert.equal(byColumns.has(row), byGates)
        passed[byGates ? 'both' : 'neither'] += 1
      }
    }),
    { numRuns: 1_000 },
  )
  assert.ok(passed.both > 30 && passed.neither > 30, JSON.stringify(passed))
})

test('who offers the model and has none of a gate’s bits passes it', () => {
  fc.assert(
    fc.property(candidate, demand, (one, asked) => {
      // Whoever does not is rejected by the first gate.
      if (one.offer === null) return
      const table = new CandidateTable(asked.policy)
      table.push(one)
      for (const gate of columnGates.keys()) {
        const bits = bitsOf(gate, asked)
        if (bits === 0 || !gate.applies(asked) || ((table.barred[0] ?? 0) & bits) !== 0) continue
        assert.equal(gate.check(one, asked), undefined, gate.name)
      }
    }),
    { numRuns: 1_000 },
  )
})
