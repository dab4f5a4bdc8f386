import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backOffGate } from './back-off.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker that asked to be left alone is, for as long as it said', () => {
  assert.equal(checkInWords(backOffGate, {}, {}), 'pass')
  const words = 'it asked for nothing more until 10:00:05'
  const breaker = { state: 'waiting' as const, takes: false, words, leftMs: 5_000 }
  assert.equal(checkInWords(backOffGate, {}, { breaker }), `no wish to be asked later / ${words}`)
  assert.equal(checkInWords(backOffGate, {}, { breaker: { ...breaker, state: 'open' } }), 'pass')
})
