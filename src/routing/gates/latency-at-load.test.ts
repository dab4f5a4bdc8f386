import assert from 'node:assert/strict'
import { test } from 'node:test'

import { latencyAtLoadGate } from './latency-at-load.ts'
import { checkInWords } from './sample-check.fixture.ts'

const objective = (ttftMs: number | null) => ({ objective: { ttftMs, tpotMs: null } })

test('a queue that makes the first token too late is a reason', () => {
  assert.equal(
    checkInWords(latencyAtLoadGate, objective(null), { load: { running: 9 } }),
    'not asked',
  )
  assert.equal(checkInWords(latencyAtLoadGate, objective(300), { load: { running: 1 } }), 'pass')
  const rejected = checkInWords(latencyAtLoadGate, objective(300), { load: { running: 4 } })
  assert.match(
    rejected,
    /^first token within 300 ms, and at most 40 % .* after \d+ ms with its present queue/,
  )
  assert.equal(latencyAtLoadGate.temporary, true)
})

test('own requests under way count before any report has them', () => {
  assert.notEqual(checkInWords(latencyAtLoadGate, objective(300), { inFlight: 4 }), 'pass')
})
