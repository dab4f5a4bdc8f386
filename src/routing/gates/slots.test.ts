import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkInWords } from './sample-check.fixture.ts'
import { slotsGate } from './slots.ts'

test('a worker with full slots and a full queue is rejected', () => {
  // 4 slots, and 4 may wait for each.
  assert.equal(checkInWords(slotsGate, {}, { load: { running: 4, waiting: 15 } }), 'pass')
  const rejected = checkInWords(slotsGate, {}, { load: { running: 4, waiting: 16 } })
  assert.equal(rejected, 'fewer than 5 requests per slot / 20 requests on 4 slots')
  assert.equal(slotsGate.temporary, true)
})

test('own requests are not counted twice', () => {
  const load = { running: 4, waiting: 8 }
  const known = { load, inFlight: 14, inFlightAtReport: 12 }
  assert.equal(checkInWords(slotsGate, {}, known), 'pass')
  const others = { load, inFlight: 14, inFlightAtReport: 0 }
  assert.notEqual(checkInWords(slotsGate, {}, others), 'pass')
})

test('a worker that states nonsense is rejected, not trusted', () => {
  assert.notEqual(checkInWords(slotsGate, {}, { load: { running: Number.NaN } }), 'pass')
  assert.notEqual(
    checkInWords(slotsGate, {}, { offer: { slots: -3 }, load: { running: 5 } }),
    'pass',
  )
})
