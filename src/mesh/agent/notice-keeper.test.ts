/** Whom a gateway's notices come from and go to: who is believed, and who pays for what is said. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { type MeshPacket, type NodeId, nodeIdOf } from '../../protocol/index.ts'
import type { Guests } from './guests.ts'
import { NoticeKeeper } from './notice-keeper.ts'

const [peer, other] = [1, 2].map((byte) => nodeIdOf(new Uint8Array(32).fill(byte))) as [
  NodeId,
  NodeId,
]
const signature = new Uint8Array(64)
const question = { told: [], held: [], asks: true, experience: null }
const bytesEach = 900

interface Setting {
  readonly role?: 'node' | 'gateway'
  readonly trusted?: readonly NodeId[]
  /** Whether it may be told so much because of what it asked. */
  readonly mayCost?: boolean
}

function keeper({ role, trusted = [], mayCost = true }: Setting) {
  const charged: [NodeId, number][] = []
  const sent: MeshPacket[] = []
  const guests: Pick<Guests, 'charge' | 'note'> = {
    charge: (from, bytes) => {
      charged.push([from, bytes])
      return mayCost
    },
    note: () => {},
  }
  const notices = new NoticeKeeper({
    clock: new ManualClock(),
    random: seededRandom(1),
    book: { card: () => (role === undefined ? undefined : ({ role } as never)) },
    choice: { isTrusted: (id) => trusted.includes(id) },
    guests,
    send: (_, packet) => {
      sent.push(packet)
      return bytesEach
    },
  })
  return { charged, notices, sent }
}

test('only who is relied on and says that it is a gateway is believed', () => {
  assert.equal(keeper({ role: 'gateway', trusted: [peer] }).notices.isTrusted(peer), true)
  assert.equal(keeper({ role: 'node', trusted: [peer] }).notices.isTrusted(peer), false)
  assert.equal(keeper({ trusted: [peer] }).notices.isTrusted(peer), false)
  assert.equal(keeper({ role: 'gateway', trusted: [other] }).notices.isTrusted(peer), false)
})

test('what a gateway makes this one say is its work, and ends where it may not cost more', () => {
  for (const mayCost of [true, false]) {
    const { charged, notices, sent } = keeper({ role: 'gateway', mayCost })
    notices.tell({ text: 'a word', signature }, false)
    assert.equal(notices.hear(peer, question), mayCost)
    assert.ok(sent.length > 0)
    assert.deepEqual(charged, [[peer, sent.length * bytesEach]])
    notices.close()
  }
})

test('what makes this one say nothing costs nothing', () => {
  const { charged, notices, sent } = keeper({ role: 'gateway', mayCost: false })
  assert.equal(notices.hear(peer, { ...question, asks: false }), true)
  assert.deepEqual([charged, sent], [[], []])
  notices.close()
})
