import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelDigestOf, type OfferedModel } from '../../protocol/index.ts'
import type { Continuation } from '../request.ts'
import { sampleCandidate, sampleDemand } from '../samples.fixture.ts'
import { continuationGate } from './continuation.ts'

const digest = modelDigestOf('1'.repeat(64))
const able: Partial<OfferedModel> = { digest, features: ['chat', 'continuation'] }

function check(offer: Partial<OfferedModel> | null, more: Partial<Continuation> = {}): string {
  const continuation = { digest, tokens: 12, contextTokensMax: null, ...more }
  const demand = { ...sampleDemand(), continuation }
  assert.ok(continuationGate.applies(demand))
  const fact = continuationGate.check(sampleCandidate(0, { offer }), demand)
  if (fact === undefined) return 'pass'
  return `${continuationGate.required(demand)} / ${continuationGate.actual(fact)}`
}

test('only the same model goes on, and only where it says that it can', () => {
  assert.equal(check(able), 'pass')
  const required = 'the same model, going on behind 12 tokens'
  const other = modelDigestOf('2'.repeat(64))
  assert.equal(check({ ...able, digest: other }), `${required} / another model under this name`)
  assert.equal(check({ ...able, digest: null }), `${required} / another model under this name`)
  assert.equal(check(null), `${required} / another model under this name`)
  assert.match(check({ ...able, features: ['chat'] }), /cannot go on with another one’s answer$/)
})

test('where the context is the only limit, it has to be the same', () => {
  assert.equal(check({ ...able, contextTokensMax: 512 }, { contextTokensMax: 512 }), 'pass')
  assert.match(
    check({ ...able, contextTokensMax: 1024 }, { contextTokensMax: 512 }),
    /and a context of 512 tokens \/ a context of 1024 tokens$/,
  )
})

test('a new answer is not asked for it', () => {
  assert.equal(continuationGate.applies(sampleDemand()), false)
})
