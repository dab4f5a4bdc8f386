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
  // Nothing is foreseen: as many as can be are its own.
  const unforeseen = { load, inFlight: 14, others: undefined }
  assert.equal(checkInWords(slotsGate, {}, unforeseen), 'pass')
  assert.equal(checkInWords(slotsGate, {}, { load, inFlight: 14, others: 5.4 }), 'pass')
  const rejected = checkInWords(slotsGate, {}, { load, inFlight: 14, others: 5.6 })
  assert.match(rejected, /20 requests on 4 slots/)
})

test('a worker that states nonsense is rejected, not trusted', () => {
  assert.notEqual(checkInWords(slotsGate, {}, { load: { running: Number.NaN } }), 'pass')
  assert.notEqual(
    checkInWords(slotsGate, {}, { offer: { slots: -3 }, load: { running: 5 } }),
    'pass',
  )
})
