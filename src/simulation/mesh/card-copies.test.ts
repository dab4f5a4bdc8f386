import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type Card, originCoordinate } from '../../mesh/index.ts'
import { nodeIdOf } from '../../protocol/index.ts'
import { CardCopies } from './card-copies.ts'

const random = seededRandom(1)
const card: Card = {
  kind: 'card',
  id: nodeIdOf(random.bytes(32)),
  epoch: 3,
  cluster: 'one',
  clusterSize: 2,
  contact: new Uint8Array(4),
  sketch: [],
  coordinate: originCoordinate,
  issuedAtMs: 1_000,
  signature: Uint8Array.of(1, 2, 3),
}

function shuffleOf(one: Card) {
  const holdings = { filter: new Uint8Array(0), salt: 0, reachMs: 0 }
  const parts = { random: [], marks: [], near: [one], witnesses: 0, holdings }
  const message = { kind: 'shuffle', card: one, ...parts } as const
  return structuredClone(message)
}

it('copies of one card become one, and what is newer or otherwise signed stays itself', () => {
  const copies = new CardCopies()
  const take = (one: Card) => {
    const message = copies.without(shuffleOf(one))
    assert.ok(message.kind === 'shuffle' && message.card !== undefined)
    assert.equal(message.card, message.near[0])
    return message.card
  }
  const first = take(card)
  assert.equal(take(card), first)
  const newer = take({ ...card, issuedAtMs: 2_000 })
  assert.notEqual(newer, first)
  assert.equal(newer.issuedAtMs, 2_000)
  const forged = { ...card, issuedAtMs: 2_000, signature: Uint8Array.of(9, 9, 9) }
  const message = copies.without(shuffleOf(forged))
  assert.ok(message.kind === 'shuffle' && message.card !== undefined)
  assert.deepEqual(message.card.signature, forged.signature)
})
