import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf, nodeKeyOf, type SketchedTrip } from '../../protocol/index.ts'
import { origin } from '../coordinates/coordinate.ts'
import { apartMs, type Card } from './card.ts'
import { CardBook } from './card-book.ts'
import { Directory, type DirectoryMessage, type Shuffle } from './directory.ts'
import { Holdings, markOf } from './holdings.ts'
import { directoryLimits, directoryTimes } from './limits.ts'
import { rankOf, Witnesses } from './witnesses.ts'

const random = seededRandom(1)
const makeId = () => nodeIdOf(random.bytes(32))

/** A signature that only holds for its issuer and time. */
function makeCard(id: NodeId, change: Partial<Card> = {}): Card {
  const card = {
    kind: 'card' as const,
    id,
    epoch: 1,
    cluster: `alone-${id.slice(0, 8)}`,
    clusterSize: 1,
    contact: new Uint8Array(),
    sketch: [],
    coordinate: origin,
    issuedAtMs: 1,
    signature: Uint8Array.of(id.charCodeAt(0), id.charCodeAt(1)),
  }
  return { ...card, ...change }
}

const isSigned = (card: Card) =>
  card.signature[0] === card.id.charCodeAt(0) && card.signature[1] === card.id.charCodeAt(1)

interface Member {
  readonly id: NodeId
  readonly directory: Directory
  wakeAtMs: number
  isUp: boolean
}

function makeDirectory(card: Card, seed: number, nowMs = () => 0): Directory {
  const verify = (given: Card) => {
    if (!isSigned(given)) return 'forged'
    return nowMs() - given.issuedAtMs > directoryTimes.cardLifeMs ? 'expired' : 'valid'
  }
  return new Directory(card, { random: seededRandom(seed), verify }, 0)
}

/** From one that holds nothing. */
const shuffle: Shuffle = {
  kind: 'shuffle',
  card: undefined,
  random: [],
  marks: [],
  near: [],
  witnesses: 0,
  holdings: { filter: new Uint8Array(0), salt: 0, reachMs: 0 },
}

/** Rounds of 100 ms; messages arrive at once. */
class Village {
  readonly members: Member[]
  readonly #byId = new Map<NodeId, Member>()
  readonly #cards: readonly Card[]
  nowMs = 0
  cardsTold = 0

  constructor(cards: readonly Card[]) {
    this.#cards = cards
    this.members = cards.map((card, index) => {
      const directory = makeDirectory(card, index + 10, () => this.nowMs)
      return { id: card.id, directory, wakeAtMs: 0, isUp: true }
    })
    for (const member of this.members) this.#byId.set(member.id, member)
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs
    while (this.nowMs < untilMs) {
      this.nowMs += 100
      for (const member of this.members) {
        if (member.isUp && member.wakeAtMs <= this.nowMs) this.step(member, { kind: 'tick' })
      }
    }
  }

  cardOf({ id }: Member): Card {
    return this.#cards.find((card) => card.id === id) as Card
  }

  step(member: Member, input: Parameters<Directory['step']>[0]): void {
    const { sends, wakeAtMs } = member.directory.step(input, this.nowMs)
    member.wakeAtMs = wakeAtMs
    for (const { to, message } of sends) {
      this.cardsTold += message.near.length + message.random.length
      if (message.kind !== 'shuffle-rest' && message.card !== undefined) this.cardsTold += 1
      const other = this.#byId.get(to)
      if (other?.isUp) this.step(other, { kind: 'message', from: member.id, message })
    }
  }
}

function makeVillage(count: number): { village: Village; cards: Card[] } {
  const ids = Array.from({ length: count }, makeId)
  const witnesses = [...ids].sort((a, b) => rankOf(a) - rankOf(b)).slice(0, 8)
  const places = ids.map(() => random.float() * 1_000)
  const cards = ids.map((id, index) => {
    const sketch = witnesses.map((witness): SketchedTrip => {
      const away = (places[ids.indexOf(witness)] ?? 0) - (places[index] ?? 0)
      return { key: nodeKeyOf(witness), ms: Math.abs(away) }
    })
    sketch.sort((a, b) => (a.key < b.key ? -1 : 1))
    return makeCard(id, { sketch })
  })
  const village = new Village(cards)
  for (const [index, member] of village.members.entries()) {
    const seed = village.members[random.below(Math.max(1, index))]
    if (index > 0 && seed) village.step(member, { kind: 'seeds', seeds: [seed.id] })
  }
  return { village, cards }
}

test('all come to the same witnesses, and each to those nearest to it', (t) => {
  const { village, cards } = makeVillage(200)
  village.run(60_000)
  const digests = new Set(village.members.map(({ directory }) => `${directory.witnesses()}`))
  assert.equal(digests.size, 1)
  let [hits, all] = [0, 0]
  for (const [index, { directory }] of village.members.entries()) {
    const own = cards[index] as Card
    const others = cards.filter((card) => card !== own)
    others.sort((a, b) => apartMs(own, a) - apartMs(own, b))
    const nearest = new Set(others.slice(0, 20).map(({ id }) => id))
    all += nearest.size
    for (const { card } of directory.neighbours()) if (nearest.has(card.id)) hits += 1
    assert.ok(directory.neighbours().length <= directoryLimits.nearMax)
  }
  t.diagnostic(`of the 20 nearest ${((hits / all) * 100).toFixed(1)} % are known`)
  assert.ok(hits / all >= 0.98)
})

test('only a newer card brings back who was lost; nobody’s card outlives its life', () => {
  const { village, cards } = makeVillage(40)
  village.run(60_000)
  const [first, second] = village.members as [Member, Member]
  const old = cards[0] as Card
  first.isUp = false
  village.run(5_000)
  second.directory.lose(first.id, village.nowMs)
  const gossip = (card: Card): DirectoryMessage => {
    return { ...shuffle, card: cards[2] as Card, random: [card] }
  }
  const from = (cards[2] as Card).id
  village.step(second, { kind: 'message', from, message: gossip(old) })
  assert.equal(second.directory.card(first.id), undefined)
  const newer = { ...old, issuedAtMs: 2 }
  village.step(second, { kind: 'message', from, message: gossip(newer) })
  assert.equal(second.directory.card(first.id), newer)
  // The others renew their cards; its own grows too old to be believed.
  for (let renewals = 1; renewals <= 8; renewals += 1) {
    village.run(directoryTimes.cardLifeMs / 4)
    for (const [index, { directory }] of village.members.entries()) {
      const renewed = { ...(cards[index] as Card), issuedAtMs: village.nowMs }
      if (index > 0) directory.renew(renewed, village.nowMs)
    }
  }
  const knowing = village.members.filter(({ directory }) => directory.card(first.id) !== undefined)
  assert.deepEqual(knowing, [])
  assert.ok(second.directory.size > 30)
})

test('forged, malformed and oversized gossip is refused, under the name of who sent it', () => {
  const [self, from] = [makeId(), makeId()]
  const directory = makeDirectory(makeCard(self), 1)
  const own = makeCard(from)
  const hear = (change: Partial<Shuffle>) => {
    const message = { ...shuffle, card: own, ...change }
    return directory.step({ kind: 'message', from, message }, 0).events.map(({ fault }) => fault)
  }
  const stranger = makeId()
  const forged = makeCard(stranger, { signature: new Uint8Array(2) })
  assert.deepEqual(hear({ random: [forged] }), ['forged'])
  assert.deepEqual(hear({ near: [forged] }), ['forged'])
  assert.deepEqual(hear({ card: makeCard(stranger) }), ['forged'])
  assert.deepEqual(hear({ near: [makeCard(stranger, { epoch: -1 })] }), ['malformed'])
  const many = Array.from({ length: directoryLimits.cardsPerMessageMax + 1 }, () => own)
  assert.deepEqual(hear({ near: many }), ['oversized'])
  assert.deepEqual(hear({ marks: many.map(() => 1) }), ['oversized'])
  const rest = (near: readonly Card[]): DirectoryMessage => {
    return { kind: 'shuffle-rest', random: [], marks: [], near }
  }
  for (const [near, fault] of [
    [many, 'oversized'],
    [[forged], 'forged'],
  ] as const) {
    const { events } = directory.step({ kind: 'message', from, message: rest(near) }, 0)
    assert.deepEqual(events, [{ kind: 'rejected', from, fault }])
  }
  assert.equal(directory.card(stranger), undefined)
})

test('an answer that was never asked for is not heard', () => {
  const [self, from] = [makeId(), makeId()]
  const directory = makeDirectory(makeCard(self), 1)
  const card = makeCard(from)
  const message = { ...shuffle, kind: 'shuffle-reply', card } as const
  directory.step({ kind: 'message', from, message }, 0)
  assert.equal(directory.card(from), undefined)
})

test('what is held stays bounded, however many there are', () => {
  const directory = makeDirectory(makeCard(makeId()), 1)
  for (let round = 0; round < 200; round += 1) {
    const cards = Array.from({ length: 16 }, () => makeCard(makeId()))
    const card = makeCard(makeId())
    const message = { ...shuffle, card, random: cards.slice(8), near: cards.slice(0, 8) }
    directory.step({ kind: 'message', from: card.id, message }, round)
  }
  const { nearMax, randomMax, witnesses, witnessesSpare } = directoryLimits
  assert.ok(directory.size <= nearMax + randomMax + witnesses + witnessesSpare)
})

test('nobody is sent what it holds, nor what it would not keep', () => {
  const { village } = makeVillage(40)
  village.run(120_000)
  const [asked, asking] = village.members as [Member, Member]
  let witnesses = 0
  const told = (change: Partial<Shuffle>) => {
    const card = village.cardOf(asking)
    const message = { ...shuffle, card, witnesses, ...change }
    const outputs = asked.directory.step({ kind: 'message', from: asking.id, message }, 120_000)
    const [send] = outputs.sends
    assert.ok(send?.message.kind === 'shuffle-reply')
    return send.message
  }
  witnesses = told({}).witnesses
  const everything = told({})
  assert.equal(everything.near.length, directoryLimits.nearCardsPerMessage)
  assert.equal(everything.random.length, directoryLimits.randomCardsPerMessage)
  assert.equal(everything.card?.id, asked.id)
  const held = new Set([...asked.directory.cards()])
  const card = village.cardOf(asked)
  const all = [...held, card]
  const marks = all.map(markOf)
  const { said } = Holdings.of(marks, { reachMs: 0, random: seededRandom(1) })
  const nothing = told({ holdings: said })
  assert.deepEqual([nothing.near, nothing.random, nothing.card], [[], [], undefined])
  assert.equal(nothing.marks.length, directoryLimits.randomCardsPerMessage)
  assert.ok(nothing.marks.every((mark) => marks.includes(mark)))
  // A newer card is news again.
  const newer = { ...card, issuedAtMs: 5 }
  asked.directory.renew(newer, village.nowMs)
  assert.equal(told({ holdings: said }).card, newer)
  // Whoever has enough that are nearer takes none.
  assert.deepEqual(told({ holdings: { ...shuffle.holdings, reachMs: 1e-9 } }).near, [])
  // Who has other witnesses is told of them all the same.
  const others = told({ holdings: { ...shuffle.holdings, reachMs: 1e-9 }, witnesses: 0 })
  assert.ok(others.near.length >= directoryLimits.witnesses)
})

test('in views that are formed hardly anything is said', () => {
  const { village } = makeVillage(60)
  village.run(120_000)
  village.cardsTold = 0
  village.run(60_000)
  // Three rounds of each, of which half carry cards at random besides the own one.
  assert.ok(village.cardsTold < 60 * 3 * 6, `${village.cardsTold} cards`)
})

test('a new card that came at random takes one place, and is let go with it', () => {
  const self = makeCard(makeId())
  const book = new CardBook(self, random, 0)
  const cards = Array.from({ length: directoryLimits.nearMax + 2 }, () => makeCard(makeId()))
  for (const card of cards.slice(0, directoryLimits.nearMax)) book.put(card, 0)
  const [far, another] = cards.slice(-2) as [Card, Card]
  const isWitness = (card: Card) => book.witnesses.kept().includes(card.id)
  book.putRandom(far, undefined, 0)
  assert.equal(book.card(far.id), far)
  assert.equal(book.isOfUse(far.id), isWitness(far))
  const { size } = book
  for (let i = 0; book.hasRandomPlace(undefined) && i < 100; i += 1) {
    book.putRandom(makeCard(makeId()), undefined, 0)
  }
  book.putRandom(another, undefined, 0)
  assert.equal(book.card(another.id) === undefined, !isWitness(another), 'there is no place left')
  book.putRandom(another, far.id, 0)
  assert.equal(book.card(another.id), another)
  assert.equal(book.card(far.id) === undefined, !isWitness(far))
  assert.ok(book.size >= size)
})

test('versions before the one that is held are not asked for again while they go about', () => {
  const book = new CardBook(makeCard(makeId()), random, 0)
  // In a filter of few cards all others would be mistaken for known.
  for (let i = 1; i < directoryLimits.nearMax; i += 1) book.put(makeCard(makeId()), 0)
  const id = makeId()
  const versions = [1, 2, 3, 4].map((issuedAtMs) => makeCard(id, { issuedAtMs }))
  for (const card of versions) book.put(card, card.issuedAtMs)
  const held = (nowMs: number) => {
    const holdings = book.holdings(nowMs)
    return versions.map((card) => holdings.has(markOf(card)))
  }
  assert.deepEqual(held(1_000), [false, true, true, true])
  assert.deepEqual(held(61_000), [false, false, false, true])
  // Another that takes its slot knows nothing of them.
  book.lose(id, 2_000)
  book.put(makeCard(makeId()), 2_000)
  assert.deepEqual(held(2_000), [false, false, false, false])
})

test('cards that nobody renews are dropped', () => {
  const { village } = makeVillage(10)
  village.run(20_000)
  const [first] = village.members as [Member]
  assert.ok(first.directory.size > 0)
  village.members.forEach((member) => {
    if (member !== first) member.isUp = false
  })
  village.run(directoryTimes.cardLifeMs + directoryTimes.sweepIntervalMs)
  assert.equal(first.directory.size, 0)
})

test('witnesses are those with the lowest hashes; the next follows one that is lost', () => {
  const ids = Array.from({ length: 30 }, makeId)
  const sorted = [...ids].sort((a, b) => rankOf(a) - rankOf(b))
  const [one, other] = [1, 2].map(() => new Witnesses({ count: 4, kept: 6 }, 0))
  assert.ok(one && other)
  for (const id of ids) one.offer(id, 1)
  for (const id of [...ids].reverse()) other.offer(id, 1)
  assert.deepEqual(one.ids(), sorted.slice(0, 4))
  assert.equal(one.digest, other.digest)
  one.remove(sorted[1] as NodeId, 5)
  assert.deepEqual(
    one.ids(),
    [0, 2, 3, 4].map((place) => sorted[place]),
  )
  assert.equal(one.changedAtMs, 5)
  assert.notEqual(one.digest, other.digest)
})
