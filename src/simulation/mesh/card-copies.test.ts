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
  return message
}

/** As it goes from one thread to another. */
function way() {
  const [one, other] = [new CardCopies(), new CardCopies()]
  const [here, there] = [0, 1]
  const move = (from: CardCopies, to: CardCopies, [sender, receiver]: [number, number]) => {
    return (card: Card) => {
      const packed = structuredClone(from.packed(shuffleOf(card), receiver))
      const message = to.unpacked(packed, sender)
      assert.ok(message.kind === 'shuffle' && message.card !== undefined)
      assert.equal(message.card, message.near[0])
      return { packed, card: message.card }
    }
  }
  return { there: move(one, other, [here, there]), back: move(other, one, [there, here]) }
}

it('a card goes to another thread once, then as a number, and is one card there', () => {
  const { there } = way()
  const first = there(card)
  assert.ok(first.packed.kind === 'shuffle')
  assert.equal(typeof first.packed.card, 'object')
  assert.equal(typeof first.packed.near[0], 'number')
  assert.deepEqual(first.card, card)
  const second = there(card)
  assert.ok(second.packed.kind === 'shuffle')
  assert.equal(typeof second.packed.card, 'number')
  assert.equal(second.card, first.card)
})

it('another version is told in full, and the former one again after it', () => {
  const { there } = way()
  const first = there(card).card
  const newer = there({ ...card, issuedAtMs: 2_000 }).card
  assert.notEqual(newer, first)
  assert.equal(newer.issuedAtMs, 2_000)
  assert.equal(there(card).card.issuedAtMs, 1_000)
  const forged = there({ ...card, issuedAtMs: 2_000, signature: Uint8Array.of(9, 9, 9) }).card
  assert.deepEqual(forged.signature, Uint8Array.of(9, 9, 9))
})

it('what comes back as a copy becomes the card that went there', () => {
  const { there, back } = way()
  assert.equal(back(there(card).card).card, card)
})
