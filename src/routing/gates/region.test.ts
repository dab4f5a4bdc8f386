import assert from 'node:assert/strict'
import { test } from 'node:test'

import { regionGate } from './region.ts'
import { checkInWords } from './sample-check.fixture.ts'

test('only the demanded region passes', () => {
  assert.equal(checkInWords(regionGate, {}, { region: 'us-east' }), 'not asked')
  assert.equal(checkInWords(regionGate, { region: 'us-east' }, { region: 'us-east' }), 'pass')
  const elsewhere = checkInWords(regionGate, { region: 'us-east' }, { region: 'eu-west' })
  assert.equal(elsewhere, 'region us-east / region eu-west')
  const undeclared = checkInWords(regionGate, { region: 'us-east' }, { region: '' })
  assert.equal(undeclared, 'region us-east / no region, or a refuted one')
})
