import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleEvidence } from '../samples.fixture.ts'
import { latencyGate } from './latency.ts'
import { checkInWords } from './sample-check.fixture.ts'

const objective = (ttftMs: number | null, tpotMs: number | null) => ({
  objective: { ttftMs, tpotMs },
})

test('without an objective nobody is asked', () => {
  assert.equal(checkInWords(latencyGate, objective(null, null), {}), 'not asked')
})

test('a worker that states too slow a prefill is rejected', () => {
  // 100 tokens at 500 per second, over a link of 20 ms: 220 ms.
  assert.equal(checkInWords(latencyGate, objective(220, null), {}), 'pass')
  const rejected = checkInWords(latencyGate, objective(219, null), {})
  assert.equal(
    rejected,
    'first token within 219 ms / first token after 220 ms when idle, ' +
      '20 ms per further token (predicted)',
  )
})

test('a worker that decodes too slowly is rejected', () => {
  assert.equal(checkInWords(latencyGate, objective(null, 20), {}), 'pass')
  assert.match(checkInWords(latencyGate, objective(null, 19), {}), /^19 ms per further token/)
})

test('what was seen outweighs what a worker states', () => {
  const slow = { evidence: sampleEvidence(1, 100, 2_000) }
  assert.notEqual(checkInWords(latencyGate, objective(1_000, null), slow), 'pass')
})

test('a queue is no reason: the worker could do it at another time', () => {
  assert.equal(checkInWords(latencyGate, objective(220, null), { load: { running: 15 } }), 'pass')
})
