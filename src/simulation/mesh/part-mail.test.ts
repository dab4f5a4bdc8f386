import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type Card, originCoordinate } from '../../mesh/index.ts'
import {
  type LoadMessage,
  type NeighbourhoodMessage,
  nodeIdOf,
  nodeKeyOf,
} from '../../protocol/index.ts'
import type { MemberMessage } from './member-message.ts'
import { PartMail } from './part-mail.ts'

const random = seededRandom(1)
const [id, other] = [nodeIdOf(random.bytes(32)), nodeIdOf(random.bytes(32))]
const key = nodeKeyOf(other)
const contact = new Uint8Array(48).fill(5)
const card: Card = {
  kind: 'card',
  id,
  epoch: 3,
  cluster: 'one',
  clusterSize: 2,
  contact,
  sketch: [{ key, ms: 12.5 }],
  coordinate: { ...originCoordinate, heightMs: 0.25 },
  issuedAtMs: 1_000,
  signature: Uint8Array.of(1, 2, 3),
}

function shuffleOf(one: Card): NeighbourhoodMessage {
  const holdings = { filter: Uint8Array.of(1, 0, 9), salt: 77, reachMs: 3.5 }
  const marks = [4_000_000_000, 1]
  return { kind: 'shuffle', card: one, random: [], marks, near: [one], witnesses: 5, holdings }
}

function digestOf(sequence: number): Extract<LoadMessage, { kind: 'digest' }> {
  const load = { running: 1, waiting: 2, kvTokensFree: 3 }
  const anchor = {
    node: other,
    cluster: 'one',
    region: 'region-1',
    sequence: 8,
    issuedAtMs: 1_800_000_000_123,
    tickMs: 1_000,
    ticksMax: 90,
    capabilities: new Uint8Array(32).fill(6),
    slots: 16,
    countUnit: 1,
    kvTokensTotal: 131_072,
    tokensPerSecond: 999.5,
    health: 'draining' as const,
    load,
    tops: random.bytes(768),
  }
  const signature = Uint8Array.of(8)
  const value = {
    cluster: 'one',
    coordinator: id,
    sequence,
    base: 6,
    issuedAtMs: 1_800_000_000_456,
    members: 4,
    told: [other, id],
    anchors: [{ value: anchor, bytes: Uint8Array.of(7), signature }],
    ticks: [{ key, sequence: 8, tick: 11, levels: 0xfff, proof: random.bytes(48) }],
    gone: [{ key, sequence: 8, tick: 10, state: 'left' as const }],
  }
  return { kind: 'digest', digest: { value, bytes: Uint8Array.of(5), signature } }
}

/** Two parts, and how much of what one says is bytes. */
function parts() {
  const [one, two] = [new PartMail(), new PartMail()]
  const move = (from: PartMail, to: PartMail, [sender, receiver]: [number, number]) => {
    return (message: MemberMessage) => {
      const parcel = { atMs: 0.125, target: 7, source: 9, order: 5, life: 2, bytes: 300, message }
      const words = from.packed([parcel], receiver)
      const numbers = words.numbers.length
      const [arrived, ...rest] = to.unpacked(words, sender)
      assert.ok(arrived !== undefined && rest.length === 0)
      assert.deepEqual(arrived, parcel)
      return { message: arrived.message, numbers }
    }
  }
  return { there: move(one, two, [0, 1]), back: move(two, one, [1, 0]) }
}

const neighbourhood = (message: NeighbourhoodMessage) =>
  ({ kind: 'neighbourhood', message }) as const
const load = (message: LoadMessage) => ({ kind: 'load', message }) as const

function cardsOf({ message }: { readonly message: MemberMessage }): readonly [Card, Card] {
  assert.ok(message.kind === 'neighbourhood' && message.message.kind === 'shuffle')
  const { card: own, near } = message.message
  const [first] = near
  assert.ok(own !== undefined && first !== undefined)
  return [own, first]
}

it('whatever members say arrives as it was said', () => {
  const { there } = parts()
  const { coordinate } = card
  const clusters = [{ cluster: '0123456789abcdef', members: 3, anchors: 4, saidAtMs: 5.5 }]
  const { digest } = digestOf(7)
  const { anchors, ticks } = digest.value
  const said: readonly MemberMessage[] = [
    load({ kind: 'digest', digest }),
    load({ kind: 'ack', ack: { cluster: 'one', sequence: 9, lacks: [key] } }),
    load({ kind: 'news', news: { anchors, ticks, offers: [{ key, sequence: 4 }] } }),
    load({ kind: 'wants', keys: [key, nodeKeyOf(id)] }),
    load({ kind: 'summary', summary: { after: '', until: 'f', clusters } }),
    neighbourhood(shuffleOf(card)),
    neighbourhood({
      ...shuffleOf(card),
      kind: 'shuffle-reply',
      card: undefined,
    } as NeighbourhoodMessage),
    neighbourhood({ kind: 'shuffle-rest', random: [card], marks: [3], near: [] }),
    neighbourhood({ kind: 'probe', nonce: 12 }),
    neighbourhood({ kind: 'echo', nonce: 12, cluster: 'two', coordinate }),
    neighbourhood({ kind: 'moved', card }),
    { kind: 'membership', cluster: 'one', message: { kind: 'ping', sequence: 4, news: [] } },
  ]
  for (const message of said) there(message)
})

it('a card goes to another thread once, then as a number, and is one card there', () => {
  const { there } = parts()
  const first = there(neighbourhood(shuffleOf(card)))
  const second = there(neighbourhood(shuffleOf(card)))
  assert.ok(second.numbers < first.numbers)
  const [own, near] = cardsOf(first)
  assert.equal(near, own)
  assert.equal(cardsOf(second)[0], own)
})

it('another version is told in full, and the former one again after it', () => {
  const { there } = parts()
  const told = (one: Card) => cardsOf(there(neighbourhood(shuffleOf(one))))[0]
  const first = told(card)
  assert.notEqual(told({ ...card, issuedAtMs: 2_000 }), first)
  assert.equal(told(card).issuedAtMs, 1_000)
  const forged = told({ ...card, issuedAtMs: 2_000, signature: Uint8Array.of(9, 9, 9) })
  assert.deepEqual(forged.signature, Uint8Array.of(9, 9, 9))
})

it('what comes back as a copy becomes the card that went there', () => {
  const { there, back } = parts()
  const [copy] = cardsOf(there(neighbourhood(shuffleOf(card))))
  assert.equal(cardsOf(back(neighbourhood(shuffleOf(copy))))[0], card)
})

it('a digest that several are told is one there', () => {
  const { there } = parts()
  const digest = digestOf(7)
  const [first, again, next] = [digest, digest, digestOf(8)].map((one) => there(load(one)).message)
  const told = [first, again, next].map((message) => {
    assert.ok(message?.kind === 'load' && message.message.kind === 'digest')
    return message.message.digest
  })
  assert.equal(told[1], told[0])
  assert.notEqual(told[2], told[0])
})
