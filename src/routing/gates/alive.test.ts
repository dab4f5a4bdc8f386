import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aliveGate } from './alive.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker that the mesh holds for dead is rejected; a suspect is not, here', () => {
  assert.equal(checkInWords(aliveGate, {}, {}), 'pass')
  assert.equal(checkInWords(aliveGate, {}, { verdict: 'suspect' }), 'pass')
  assert.match(
    checkInWords(aliveGate, {}, { verdict: 'dead' }),
    /answers .* \/ dead, as the members/,
  )
})
