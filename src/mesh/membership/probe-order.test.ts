import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secureRandom, seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { ProbeOrder } from './probe-order.ts'

function idOf(n: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(n))
}

test('everyone is probed once per round, a newcomer within the present one', () => {
  const order = new ProbeOrder(seededRandom(1))
  const ids = [1, 2, 3, 4, 5].map(idOf)
  for (const id of ids) order.add(id)
  for (let round = 0; round < 3; round += 1) {
    const probed = ids.map(() => order.next())
    assert.deepEqual(probed.sort(), ids.toSorted())
  }
  order.next()
  order.add(idOf(6))
  const rest = Array.from({ length: 5 }, () => order.next())
  assert.ok(rest.includes(idOf(6)))
})

test('one that is hastened is next, also after its turn; each other keeps its own', () => {
  const ids = [1, 2, 3, 4, 5].map(idOf)
  for (const turn of [0, 1, 2, 3, 4]) {
    const order = new ProbeOrder(seededRandom(1))
    for (const id of ids) order.add(id)
    const round = ids.map(() => order.next())
    const had = [order.next(), order.next()]
    const left = ids.filter((id) => !had.includes(id))
    const hastened = round[turn] as NodeId
    order.hasten(hastened)
    assert.equal(order.next(), hastened)
    const rest = left.filter((id) => id !== hastened)
    assert.deepEqual(rest.map(() => order.next()).sort(), rest.toSorted())
  }
})

test('one that is hastened again and again takes one further turn in a round, not all', () => {
  const order = new ProbeOrder(seededRandom(1))
  const ids = [1, 2, 3, 4, 5].map(idOf)
  for (const id of ids) order.add(id)
  const flapping = ids[0] as NodeId
  const turns = new Map<NodeId | undefined, number>()
  for (let turn = 0; turn < 60; turn += 1) {
    order.hasten(flapping)
    const id = order.next()
    turns.set(id, (turns.get(id) ?? 0) + 1)
  }
  assert.equal(turns.size, ids.length)
  for (const id of ids) assert.equal(turns.get(id), id === flapping ? 20 : 10)
})

test('an order that was asked while it was empty takes members as any other', () => {
  const order = new ProbeOrder(secureRandom) // refuses to choose among none
  for (let i = 0; i < 3; i += 1) assert.equal(order.next(), undefined)
  order.add(idOf(1))
  order.remove(idOf(1))
  assert.equal(order.next(), undefined)
  order.add(idOf(2))
  assert.equal(order.next(), idOf(2))
})
