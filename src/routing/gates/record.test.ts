import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sampleEvidence } from '../samples.fixture.ts'
import { recordGate } from './record.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('nobody is asked unless those whose work succeeds are busy', () => {
  assert.equal(checkInWords(recordGate, {}, { evidence: sampleEvidence(0, 10) }), 'not asked')
  assert.equal(recordGate.temporary, false)
})
