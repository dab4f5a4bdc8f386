import assert from 'node:assert/strict'
import { test } from 'node:test'
import { breakerGate } from './breaker.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker whose breaker takes nothing is rejected, with the reason', () => {
  assert.equal(checkInWords(breakerGate, {}, {}), 'pass')
  const shut = { takes: false, words: 'open until 10:00:05', leftMs: 5_000 }
  const required = 'a circuit breaker that is closed, or half-open and free for a probe'
  for (const state of ['open', 'half-open'] as const) {
    const rejected = checkInWords(breakerGate, {}, { breaker: { ...shut, state } })
    assert.equal(rejected, `${required} / open until 10:00:05`)
  }
  const probe = { ...shut, state: 'half-open' as const, takes: true }
  assert.equal(checkInWords(breakerGate, {}, { breaker: probe }), 'pass')
  assert.equal(checkInWords(breakerGate, {}, { breaker: { ...shut, state: 'waiting' } }), 'pass')
})
