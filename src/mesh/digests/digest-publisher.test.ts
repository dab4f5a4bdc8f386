import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity, type NodeId, nodeKeyOf } from '../../protocol/index.ts'
import { DigestPublisher, type PublisherInput } from './digest-publisher.ts'
import { digestTimes } from './limits.ts'
import { ed25519Seals } from './seals.ts'
import { cluster, Member, network, wallMs } from './view-setting.fixture.ts'

/** Gateways of which some acknowledge what they are told. */
class Told {
  nowMs = 0
  readonly publisher: DigestPublisher
  readonly #answering: ReadonlySet<NodeId>

  constructor(answering: readonly NodeId[]) {
    const identity = createIdentity()
    this.#answering = new Set(answering)
    const clock = { now: () => 1_800_000_000_000 + this.nowMs }
    this.publisher = new DigestPublisher(identity.id, {
      clock,
      seals: ed25519Seals(identity, 'net'),
    })
    this.publisher.step({ kind: 'role', cluster: 'c' }, 0)
  }

  name(gateways: readonly NodeId[]): void {
    this.publisher.step({ kind: 'gateways', gateways }, this.nowMs)
  }

  run(forMs: number): void {
    const { publisher } = this
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      this.nowMs += digestTimes.publishMs
      for (const { message, to } of publisher.step({ kind: 'tick' }, this.nowMs).sends) {
        if (message.kind !== 'digest' || !this.#answering.has(to)) continue
        const { sequence } = message.digest.value
        const ack = { cluster: 'c', sequence, lacks: [] }
        publisher.step({ kind: 'ack', from: to, ack }, this.nowMs)
      }
    }
  }
}

test('a silent gateway stays out of the row however often it is named first', () => {
  const ids = Array.from({ length: 4 }, () => createIdentity().id)
  const [silent, ...answering] = ids
  assert.ok(silent)
  const told = new Told(answering)
  told.name(ids)
  // For one who has just begun alone, one gateway is enough.
  assert.deepEqual(told.publisher.told, [silent])
  told.run(digestTimes.healingMs + digestTimes.gatewaySilentMs + 1_000)
  for (let times = 0; times < 5; times += 1) {
    told.name(ids)
    assert.deepEqual(told.publisher.told, answering.slice(0, 2))
    told.run(5_000)
  }
  told.run(digestTimes.silentAgainMs)
  told.name(ids)
  assert.equal(told.publisher.told[0], silent)
})

test('a member whose tick stays away is said to be silent, once, until it is heard again', () => {
  const identity = createIdentity()
  const member = new Member(createIdentity())
  let nowMs = 0
  const clock = { now: () => wallMs + nowMs }
  const publisher = new DigestPublisher(identity.id, {
    clock,
    seals: ed25519Seals(identity, network),
  })
  publisher.step({ kind: 'role', cluster }, 0)
  const silentAt = (untilMs: number) => {
    const found: number[] = []
    for (; nowMs < untilMs; nowMs += digestTimes.publishMs) {
      const { events } = publisher.step({ kind: 'tick' }, nowMs)
      for (const event of events) {
        if (event.kind !== 'silent') continue
        assert.equal(event.id, member.id)
        found.push(nowMs)
      }
    }
    return found
  }
  const say = (tick: number) => {
    const news = { anchors: [member.anchor], ticks: [member.tick(tick)], offers: [] }
    publisher.step({ kind: 'news', from: member.id, news }, nowMs)
  }
  for (let tick = 1; tick <= 3; tick += 1) {
    say(tick)
    assert.deepEqual(silentAt(tick * 1_000), [], 'in time')
  }
  const [atMs, ...again] = silentAt(20_000)
  assert.ok(atMs !== undefined && atMs >= 3_000 + digestTimes.tickLateMs && atMs <= 4_500)
  assert.deepEqual(again, [])
  say(20)
  assert.deepEqual(silentAt(21_000), [])
  assert.equal(silentAt(30_000).length, 1)
})

test('a tick is missed by the length that its node says, within bounds', () => {
  const { lateAfterMs, tickLateMs, tickMs } = digestTimes
  for (const [said, missedAfterMs] of [
    [100, tickMs + tickLateMs],
    [2_000, 2_000 + tickLateMs],
    [10_000, lateAfterMs],
  ] as const) {
    const member = new Member(createIdentity(), { tickMs: said })
    let nowMs = 0
    const identity = createIdentity()
    const seals = ed25519Seals(identity, network)
    const clock = { now: () => wallMs + nowMs }
    const publisher = new DigestPublisher(identity.id, { clock, seals })
    publisher.step({ kind: 'role', cluster }, 0)
    const news = { anchors: [member.anchor], ticks: [], offers: [] }
    publisher.step({ kind: 'news', from: member.id, news }, 0)
    for (; nowMs < 20_000; nowMs += 100) {
      const { events } = publisher.step({ kind: 'tick' }, nowMs)
      if (events.some(({ kind }) => kind === 'silent')) break
    }
    const { publishFewMs } = digestTimes
    assert.ok(nowMs >= missedAfterMs && nowMs <= missedAfterMs + publishFewMs, `${said}: ${nowMs}`)
  }
})

test('one digest for all, at once after a silence; what is said meanwhile waits for others', () => {
  const gateways = [createIdentity().id, createIdentity().id]
  const [one, other] = [new Member(createIdentity()), new Member(createIdentity())]
  const identity = createIdentity()
  let nowMs = 0
  const clock = { now: () => wallMs + nowMs }
  const seals = ed25519Seals(identity, network)
  const publisher = new DigestPublisher(identity.id, { clock, seals })
  const digestsOf = (input: PublisherInput, atMs: number) => {
    nowMs = atMs
    const { sends } = publisher.step(input, nowMs)
    return sends.flatMap(({ message, to }) => {
      if (message.kind !== 'digest') return []
      const { sequence } = message.digest.value
      const ack = { cluster, sequence, lacks: [] }
      publisher.step({ kind: 'ack', from: to, ack }, nowMs)
      return [message.digest]
    })
  }
  const says = (member: Member, tick: number) => {
    const news = { anchors: [member.anchor], ticks: [member.tick(tick)], offers: [] }
    return { kind: 'news', from: member.id, news } as const
  }
  digestsOf({ kind: 'gateways', gateways }, 0)
  digestsOf({ kind: 'role', cluster }, 0)
  digestsOf(says(one, 1), 1_000)
  digestsOf(says(other, 1), 1_000)
  let atMs = 1_000
  for (; atMs < 12_000; atMs += 500) digestsOf({ kind: 'tick' }, atMs)
  // They are two, and all they had to say was told long ago.
  atMs += digestTimes.publishFewMs
  const first = digestsOf(says(one, 14), atMs)
  assert.equal(first.length, 2)
  assert.equal(first[0], first[1])
  assert.deepEqual(
    first[0]?.value.ticks.map(({ tick }) => tick),
    [14],
  )
  assert.deepEqual(digestsOf(says(other, 14), atMs + 10), [])
  const next = digestsOf({ kind: 'tick' }, atMs + digestTimes.publishFewMs)
  assert.deepEqual(
    next.map(({ value }) => value.ticks.map(({ key }) => key)),
    gateways.map(() => [nodeKeyOf(other.id)]),
  )
})
