import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { AddressBook } from './address-book.ts'
import type { MemberCard } from './card.ts'

const random = seededRandom(3)
const nextId = () => nodeIdOf(random.bytes(32))
const card = (role: MemberCard['role'] = 'node'): MemberCard => {
  return { role, addresses: ['host:1'], relays: [] }
}

function size(book: AddressBook, ids: readonly NodeId[]): number {
  return ids.filter((id) => book.card(id) !== undefined).length
}

test('names that nobody answers to do not displace members that have answered', () => {
  const book = new AddressBook(100)
  const members = Array.from({ length: 20 }, nextId)
  for (const [i, id] of members.entries()) {
    book.put(id, card(i === 0 ? 'gateway' : 'node'))
    book.noteAnswer(id)
  }
  const names = Array.from({ length: 1_000 }, nextId)
  for (const id of names) book.put(id, card('gateway'))
  assert.equal(size(book, members), 20)
  assert.equal(size(book, names), 80)
  assert.ok(members.every((id) => book.isProven(id)))
  assert.equal(book.gateways()[0], members[0])
})

test('those that answer leave newcomers room, and the one silent longest goes first', () => {
  const book = new AddressBook(100)
  const members = Array.from({ length: 200 }, nextId)
  for (const id of members) {
    book.put(id, card())
    book.noteAnswer(id)
    const [first] = members
    if (first !== undefined) book.noteAnswer(first)
  }
  assert.equal(size(book, members), 100)
  const newcomers = Array.from({ length: 25 }, nextId)
  for (const id of newcomers) book.put(id, card())
  assert.equal(size(book, newcomers), 25)
  assert.equal(size(book, members), 75)
  assert.ok(book.card(members[0] as NodeId) !== undefined)
  assert.ok(book.card(members[199] as NodeId) !== undefined)
})

test('a contact of an earlier life is no word of its own', () => {
  const book = new AddressBook(4)
  const id = nextId()
  book.putContact({ id, addresses: ['old:1'] })
  book.noteAnswer(id)
  assert.deepEqual([book.isProven(id), book.addressesOf(id)], [false, ['old:1']])
  book.put(id, card())
  assert.deepEqual([book.isProven(id), book.addressesOf(id)], [true, ['host:1']])
})
