import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '../../protocol/index.ts'
import type { Roster, Seat } from './claims.ts'
import type { MessageOf } from './messages.ts'
import { changed, changeOf, Publication, placeOf } from './roster-change.ts'

const idOf = (name: string) => name as NodeId
const seatsOf = (names: string): Seat[] => [...names].map((name) => ({ id: idOf(name), epoch: 1 }))

function roster(version: number, seats: readonly Seat[], coordinator = 'a'): MessageOf<'roster'> {
  const whole: Roster = {
    kind: 'roster',
    cluster: 'c',
    version,
    coordinator: idOf(coordinator),
    seats,
    issuedAtMs: version,
    signature: Uint8Array.of(version),
  }
  return { kind: 'roster', roster: whole, coordinator: idOf(coordinator), standings: [], cards: [] }
}

test('what has changed makes the new one of the old one', () => {
  const before = roster(3, seatsOf('abcd')).roster
  const again = { id: idOf('b'), epoch: 2 }
  for (const seats of [
    seatsOf('abcde'),
    seatsOf('abd'),
    seatsOf('acdfg'),
    [...seatsOf('acd'), again],
    seatsOf('abcd'),
  ]) {
    const after = roster(5, seats)
    const change = changeOf(before, after)
    assert.ok(change !== undefined, JSON.stringify(seats))
    assert.equal(change.base, 3)
    assert.deepEqual(changed(before, change), after.roster)
  }
})

test('where nothing shorter says the same there is no change', () => {
  const before = roster(3, seatsOf('abcd')).roster
  assert.equal(changeOf(undefined, roster(4, seatsOf('abcd'))), undefined)
  assert.equal(changeOf(before, roster(4, seatsOf('bacd'))), undefined) // another order
  assert.equal(changeOf(before, roster(4, seatsOf('xy'))), undefined)
  assert.equal(changeOf(before, roster(4, seatsOf('abcd'), 'b')), undefined)
})

test('those who came since the last time are told everything', () => {
  const publication = new Publication()
  const others = ['b', 'c', 'd'].map(idOf)
  const kinds = (message: MessageOf<'roster'>) =>
    publication.of(message, others).map((send) => send.message.kind)
  assert.deepEqual(kinds(roster(1, seatsOf('abc'))), ['roster', 'roster', 'roster'])
  publication.newcomers.set(idOf('d'), 1)
  assert.deepEqual(kinds(roster(2, seatsOf('abcd'))), ['roster-change', 'roster-change', 'roster'])
  // Who was admitted by this very version has it.
  publication.newcomers.set(idOf('d'), 3)
  assert.deepEqual(kinds(roster(3, seatsOf('abcd'))), ['roster-change', 'roster-change'])
  assert.deepEqual(
    kinds(roster(4, seatsOf('abd'))),
    others.map(() => 'roster-change'),
  )
})

test('a change counts for who has what it changes; what another signed meanwhile is told', () => {
  const before = roster(3, seatsOf('abcd')).roster
  const change = changeOf(before, roster(5, seatsOf('abcde')))
  assert.ok(change !== undefined)
  const placeFor = (version: number, coordinator?: string) =>
    placeOf(change, roster(version, seatsOf('abcd'), coordinator).roster)
  assert.equal(placeFor(3), 'next')
  assert.equal(placeFor(2), 'apart')
  assert.equal(placeFor(3, 'b'), 'apart')
  assert.equal(placeFor(5), 'known')
  assert.equal(placeFor(6), 'old')
  assert.equal(placeFor(5, 'b'), 'old')
})
