import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkInWords } from './sample-check.fixture.ts'
import { standingGate } from './standing.ts'

test('a worker against which something stands is rejected, and the incident named', () => {
  assert.equal(checkInWords(standingGate, {}, {}), 'pass')
  const standing = {
    state: 'quarantined',
    incident: 'inc_a',
    words: 'quarantined by incident inc_a',
  } as const
  assert.match(
    checkInWords(standingGate, {}, { standing }),
    /no incident lowers \/ quarantined by incident inc_a/,
  )
})

test('who is on probation passes while it may be tried, and not while it rests', () => {
  const standing = { state: 'probation', incident: 'inc_a', words: 'on probation' } as const
  assert.equal(checkInWords(standingGate, {}, { standing: { ...standing, takes: true } }), 'pass')
  assert.match(checkInWords(standingGate, {}, { standing }), /on probation/)
})
