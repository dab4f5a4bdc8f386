import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answeringGate } from './answering.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker whose link owes an answer to a probe is rejected', () => {
  assert.equal(checkInWords(answeringGate, {}, {}), 'pass')
  const rejected = checkInWords(answeringGate, {}, { overdue: true })
  assert.equal(rejected, 'an answer to every probe in time / an overdue answer')
})
