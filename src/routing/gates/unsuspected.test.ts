import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkInWords } from './sample-check.fixture.ts'
import { unsuspectedGate } from './unsuspected.ts'

test('a suspect is rejected', () => {
  assert.equal(checkInWords(unsuspectedGate, {}, {}), 'pass')
  const rejected = checkInWords(unsuspectedGate, {}, { verdict: 'suspect' })
  assert.equal(rejected, 'no suspicion among the members of its cluster / suspected of being dead')
})
