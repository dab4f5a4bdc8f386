/** Whatever is lost, and whoever is away: in the end every gateway holds what stands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../base/index.ts'
import { type NodeId, type NoticeMessage, nodeIdOf, noticeMarkOf } from '../../protocol/index.ts'
import { noticeLimits, noticeTimes } from './limits.ts'
import { NoticeExchange, type NoticeInput } from './notice-exchange.ts'

const signature = new Uint8Array(64)
const noticeOf = (text: string) => ({ text, signature })
const idOf = (index: number): NodeId => nodeIdOf(new Uint8Array(32).fill(index + 1))

/** Gateways that hear each other after 100 ms, unless something is in the way. */
class Room {
  nowMs = 0
  readonly ids: readonly NodeId[]
  readonly heard = new Map<NodeId, Map<string, number>>()
  readonly floods: NodeId[] = []
  messages = 0
  isLost: (from: NodeId, to: NodeId) => boolean = () => false
  #exchanges = new Map<NodeId, { exchange: NoticeExchange; wakeAtMs: number }>()
  #flying: { atMs: number; from: NodeId; to: NodeId; message: NoticeMessage }[] = []

  constructor(count: number) {
    this.ids = Array.from({ length: count }, (_, i) => idOf(i))
    for (const id of this.ids) this.begin(id)
  }

  /** A process that knows nothing yet. */
  begin(id: NodeId): void {
    const exchange = new NoticeExchange(seededRandom(id.charCodeAt(8)), this.nowMs)
    this.#exchanges.set(id, { exchange, wakeAtMs: this.nowMs })
    this.heard.set(id, new Map())
    this.meet(id, this.ids)
  }

  meet(id: NodeId, gateways: readonly NodeId[]): void {
    this.step(id, { kind: 'gateways', gateways: gateways.filter((one) => one !== id) })
  }

  tell(id: NodeId, text: string, urges = true): void {
    this.step(id, { kind: 'tell', notice: noticeOf(text), urges })
  }

  step(id: NodeId, input: NoticeInput): void {
    const one = this.#exchanges.get(id)
    assert.ok(one !== undefined)
    const { floods, heard, sends, wakeAtMs } = one.exchange.step(input, this.nowMs)
    one.wakeAtMs = wakeAtMs
    this.floods.push(...floods)
    for (const { notice } of heard) this.heard.get(id)?.set(notice.text, this.nowMs)
    for (const { message, to } of sends) {
      this.messages += 1
      if (!this.isLost(id, to)) {
        this.#flying.push({ atMs: this.nowMs + 100, from: id, to, message })
      }
    }
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; ) {
      this.nowMs += 50
      const here = this.#flying.filter(({ atMs }) => atMs <= this.nowMs)
      this.#flying = this.#flying.filter(({ atMs }) => atMs > this.nowMs)
      for (const { from, message, to } of here) this.step(to, { kind: 'message', from, message })
      for (const [id, { wakeAtMs }] of this.#exchanges) {
        if (wakeAtMs <= this.nowMs) this.step(id, { kind: 'tick' })
      }
    }
  }

  holders(text: string): NodeId[] {
    return this.ids.filter((id) => this.heard.get(id)?.has(text) === true)
  }
}

const others = (room: Room, id: NodeId) => room.ids.filter((one) => one !== id)

test('a notice that urges is at every other gateway after one way; then there is silence', () => {
  const room = new Room(5)
  room.run(1_000)
  const [first] = room.ids as [NodeId]
  const before = room.messages
  room.tell(first, 'urgent')
  room.run(100)
  assert.deepEqual(room.holders('urgent'), others(room, first))
  room.run(5_000)
  // Told once each and acknowledged; besides, somebody may have asked what there is.
  assert.ok(room.messages - before <= 2 * 4 + 2 * 5, String(room.messages - before))
})

test('one that does not urge is there for whoever asks', () => {
  const room = new Room(3)
  room.run(1_000)
  const [first, second, third] = room.ids as [NodeId, NodeId, NodeId]
  room.tell(first, 'quiet', false)
  room.run(200)
  assert.deepEqual(room.holders('quiet'), [])
  room.begin(second)
  room.run(300)
  assert.ok(room.holders('quiet').includes(second))
  room.run(10 * noticeTimes.askMs)
  assert.deepEqual(room.holders('quiet'), [second, third])
})

test('who was away learns all that stands when it begins, and nothing that was retracted', () => {
  const room = new Room(3)
  room.run(1_000)
  const [first, , third] = room.ids as [NodeId, NodeId, NodeId]
  room.isLost = (from, to) => from === third || to === third
  const texts = Array.from({ length: 40 }, (_, i) => `notice ${i}`)
  for (const text of texts) room.tell(first, text)
  room.step(first, { kind: 'retract', mark: noticeMarkOf('notice 7') })
  room.run(60_000)
  room.isLost = () => false
  room.begin(third)
  room.run(2_000)
  const known = [...(room.heard.get(third)?.keys() ?? [])]
  assert.deepEqual(known.sort(), texts.filter((text) => text !== 'notice 7').sort())
})

test('who was away tells what it still holds, to whoever it asks', () => {
  const room = new Room(3)
  room.run(30_000)
  const [, second] = room.ids as [NodeId, NodeId]
  room.begin(second)
  room.tell(second, 'kept', false)
  room.run(400)
  assert.deepEqual(room.holders('kept'), others(room, second))
})

test('behind a partition it is told as soon as the other side speaks again', () => {
  const room = new Room(2)
  room.run(1_000)
  const [first, second] = room.ids as [NodeId, NodeId]
  room.isLost = () => true
  room.tell(first, 'during')
  room.run(200_000)
  assert.deepEqual(room.holders('during'), [])
  room.isLost = () => false
  room.step(first, { kind: 'alive', from: second })
  room.run(100)
  assert.deepEqual(room.holders('during'), [second])
})

test('whatever is lost for a while, in the end everyone holds what stands', () => {
  const happening = fc.record({
    gateway: fc.nat(3),
    what: fc.constantFrom('tell', 'quiet', 'begin', 'wait'),
    isLossy: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(happening, { maxLength: 25, size: 'max' }),
      fc.nat(1_000),
      (happenings, seed) => {
        const room = new Room(4)
        const random = seededRandom(seed)
        const standing = new Map<NodeId, string[]>(room.ids.map((id) => [id, []]))
        for (const [i, { gateway, isLossy, what }] of happenings.entries()) {
          const id = room.ids[gateway] as NodeId
          room.isLost = isLossy ? () => random.float() < 0.6 : () => false
          if (what === 'tell' || what === 'quiet') {
            room.tell(id, `notice ${i}`, what === 'tell')
            standing.get(id)?.push(`notice ${i}`)
          } else if (what === 'begin') {
            // As a gateway that restarts: it has its own on disk, and forgets what others said.
            room.begin(id)
            for (const text of standing.get(id) ?? []) room.tell(id, text, false)
          }
          room.run(500)
        }
        room.isLost = () => false
        room.run(40 * noticeTimes.askMs)
        for (const [teller, texts] of standing) {
          for (const text of texts) assert.deepEqual(room.holders(text), others(room, teller), text)
        }
      },
    ),
    { numRuns: 15 },
  )
})

test('who never acknowledges is told seldom, and who floods is not looked at', () => {
  const room = new Room(2)
  const [first, second] = room.ids as [NodeId, NodeId]
  room.run(1_000)
  room.isLost = (from) => from === second
  room.tell(first, 'never heard back')
  room.run(30_000)
  const before = room.messages
  for (let i = 0; i < 1_000; i += 1) {
    room.step(first, { kind: 'alive', from: second })
    room.run(1_000)
  }
  // Its questions now and then, and one telling each five minutes.
  assert.ok(room.messages - before < 2 * 110, String(room.messages - before))
  room.isLost = () => false
  const told = Array.from({ length: 16 }, (_, i) => i)
  for (let round = 0; round < 20; round += 1) {
    const notices = told.map((i) => noticeOf(`flood ${round} ${i}`))
    const message = { told: notices, held: [], asks: false, experience: null }
    room.step(first, { kind: 'message', from: second, message })
  }
  assert.equal(room.heard.get(first)?.size, noticeLimits.toldBurstMax)
  assert.equal(room.floods.length, 320 - noticeLimits.toldBurstMax)
})

test('strangers push out nothing of what is known of those that are dealt with', () => {
  const exchange = new NoticeExchange(seededRandom(1), 0)
  const friend = idOf(0)
  exchange.step({ kind: 'gateways', gateways: [friend] }, 0)
  exchange.step({ kind: 'tell', notice: noticeOf('urgent'), urges: true }, 0)
  const message = { told: [noticeOf('a word')], held: [], asks: false, experience: null }
  for (let i = 1; i < 2 * noticeLimits.gatewaysMax && i < 255; i += 1) {
    exchange.step({ kind: 'message', from: idOf(i), message }, 1)
  }
  assert.ok(exchange.awaits(friend))
})

test('a gateway holds no more than it can name, and tells no more than fits', () => {
  const room = new Room(2)
  const [first, second] = room.ids as [NodeId, NodeId]
  const long = 'x'.repeat(30_000)
  for (let i = 0; i < noticeLimits.ownMax + 5; i += 1) room.tell(first, `${i} ${long}`, false)
  room.run(1_000)
  const exchange = new NoticeExchange(seededRandom(1), 0)
  exchange.step({ kind: 'gateways', gateways: [second] }, 0)
  for (let i = 0; i < 20; i += 1) {
    const notice = noticeOf(`${i} ${long}`)
    exchange.step({ kind: 'tell', notice, urges: false }, 0)
  }
  const message = { told: [], held: [], asks: true, experience: null }
  const { sends } = exchange.step({ kind: 'message', from: second, message }, 1)
  const told = sends.flatMap((send) => send.message.told)
  assert.equal(told.length, 1)
})
