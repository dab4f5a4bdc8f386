import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { createIdentity, type NodeId } from '../../protocol/index.ts'
import { AddressBook } from './address-book.ts'
import { Admission } from './card.ts'
import { Seals } from './seals.ts'

function sealsOf(network: string, clock = new ManualClock(1e12), skewed: NodeId[] = []) {
  const identity = createIdentity()
  const admission = new Admission(network, 'join_test')
  const book = new AddressBook(8)
  const onSkew = (id: NodeId) => void skewed.push(id)
  return { identity, seals: new Seals(network, { identity, clock, admission, book, onSkew }) }
}

test('what is said in a network is said in no other whose names join to the same', () => {
  const { identity, seals } = sealsOf('a/b')
  const left = seals.sign('c', { kind: 'left', subject: identity.id, incarnation: 1 })
  assert.equal(seals.verify('c', left), 'valid')
  for (const [network, cluster] of [
    ['a', 'b/c'],
    ['a/b/c', ''],
    ['', 'a/b/c'],
  ] as const) {
    assert.equal(sealsOf(network).seals.verify(cluster, left), 'forged')
  }
})

test('who signs from the future is told of: one of both clocks is wrong', () => {
  const [early, late] = [new ManualClock(1e12), new ManualClock(1e12 + 60_000)]
  const skewed: NodeId[] = []
  const here = sealsOf('net', early, skewed)
  const there = sealsOf('net', late)
  const { id: subject } = there.identity
  const left = there.seals.sign('c', { kind: 'left', subject, incarnation: 1 })
  assert.equal(here.seals.verify('c', left), 'expired')
  assert.deepEqual(skewed, [subject])
  early.advance(3_600_000)
  assert.equal(here.seals.verify('c', left), 'expired') // old, not early
  assert.deepEqual(skewed, [subject])
})
