import assert from 'node:assert/strict'
import { test } from 'node:test'

import { drainingGate } from './draining.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('a worker about to stop is rejected', () => {
  assert.equal(checkInWords(drainingGate, {}, {}), 'pass')
  const rejected = checkInWords(drainingGate, {}, { load: { draining: true } })
  assert.equal(rejected, 'taking new work / draining')
})
