import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyRule } from '../samples.fixture.ts'
import { hardwareGate } from './hardware.ts'
import { checkInTier, checkInWords } from './sample-check.fixture.ts'

test('a class that the tier does not name is rejected; where it names none, all may', () => {
  const classes = ['gpu', 'big-gpu'].map((hardwareClass) => ({ hardwareClass, ...anyRule }))
  assert.equal(checkInWords(hardwareGate, {}, {}), 'not asked')
  assert.equal(checkInTier(hardwareGate, {}, { hardwareClass: 'cpu' }), 'not asked')
  assert.equal(checkInTier(hardwareGate, { classes }, { hardwareClass: 'big-gpu' }), 'pass')
  const rejected = checkInTier(hardwareGate, { classes }, { hardwareClass: 'cpu' })
  const unknown = checkInTier(hardwareGate, { classes }, { hardwareClass: 'unknown' })
  assert.match(unknown, / \/ class unknown: it does not state the memory of its GPU$/)
  assert.equal(
    rejected,
    'hardware of class gpu or big-gpu for the tier sample-tier / class cpu, by its own statement',
  )
})
