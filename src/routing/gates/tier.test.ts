import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleCandidate, sampleDemand, sampleTier } from '../samples.fixture.ts'
import { tierGate } from './tier.ts'

test('where other models are not served, a model has to be in a tier', () => {
  const demand = sampleDemand()
  assert.equal(tierGate.applies(demand), false)
  const strict = { ...demand, policy: { ...demand.policy, servesOtherModels: false } }
  assert.equal(tierGate.applies(strict), true)
  const fact = tierGate.check(sampleCandidate(0), strict)
  assert.equal(tierGate.actual(fact ?? ''), 'sample-model, which is in none')
  assert.equal(tierGate.applies({ ...strict, tier: sampleTier() }), false)
})
