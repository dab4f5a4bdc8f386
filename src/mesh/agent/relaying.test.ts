import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../base/index.ts'
import { createIdentity, type NodeId, signRelayedPacket } from '../../protocol/index.ts'
import { AddressBook } from './address-book.ts'
import type { MemberRole } from './card.ts'
import { agentLimits } from './limits.ts'
import { Relaying } from './relaying.ts'

const scope = 'test'

/** One member's relaying, with connections to all whom the test names. */
class Setting {
  readonly self = createIdentity()
  readonly clock = new ManualClock()
  readonly book = new AddressBook(64)
  readonly connected: NodeId[] = []
  readonly sent: NodeId[] = []
  readonly charged: [peer: NodeId, bytes: number][] = []
  readonly admitted: [relay: NodeId | undefined, writer: NodeId][] = []
  hasWorkLeft = true
  readonly relaying: Relaying

  constructor() {
    const { book, clock, connected, sent } = this
    this.relaying = new Relaying(scope, agentLimits, {
      identity: this.self,
      clock,
      random: seededRandom(4),
      book,
      isKnown: (id) => book.isProven(id),
      peers: {
        connected: () => connected,
        isConnected: (id) => connected.includes(id),
        send: (to) => {
          sent.push(to)
          return true
        },
      },
      guests: {
        note: () => {},
        charge: (peer, bytes) => {
          this.charged.push([peer, bytes])
          return this.hasWorkLeft
        },
        admits: (writer) => {
          this.admitted.push([undefined, writer])
          return true
        },
        admitsRelayed: (relay, writer) => {
          this.admitted.push([relay, writer])
          return true
        },
      },
    })
  }

  add(role: MemberRole = 'node', relays: readonly NodeId[] = []) {
    const identity = createIdentity()
    this.book.put(identity.id, { role, addresses: [], relays })
    return identity
  }

  connect(role: MemberRole = 'node') {
    const identity = this.add(role)
    this.connected.push(identity.id)
    return identity
  }

  relayed(from = createIdentity(), recipient = this.self.id) {
    const packet = Uint8Array.of(1, 2, 3)
    const context = { scope, now: this.clock.now() }
    this.clock.advance(1)
    return signRelayedPacket(from, { recipient, packet }, context)
  }
}

test('a relay that brings no answer is given up for another, and in the end for a gateway', () => {
  const setting = new Setting()
  const [one, two, gateway] = [setting.connect(), setting.connect(), setting.connect('gateway')]
  const { id: hidden } = setting.add('node', [one.id, two.id])
  const relays = () => new Set(setting.sent.splice(0))
  const send = (times: number) => {
    for (let i = 0; i < times; i += 1) setting.relaying.send(hidden, Uint8Array.of(1))
  }
  send(6)
  const first = relays()
  assert.equal(first.size, 1)
  send(1)
  const second = relays()
  assert.deepEqual([...first, ...second].sort(), [one.id, two.id].sort())
  send(30)
  assert.ok(relays().has(gateway.id))
})

test('packets to one who answers go by all of its relays in turn', () => {
  const setting = new Setting()
  const relays = [setting.connect(), setting.connect()].map(({ id }) => id)
  const hidden = setting.add('node', relays)
  const [via] = relays
  assert.ok(via)
  for (let i = 0; i < 320; i += 1) {
    setting.relaying.send(hidden.id, Uint8Array.of(1))
    if (i % 3 === 0) assert.ok(setting.relaying.take(via, setting.relayed(hidden)))
  }
  for (const relay of relays) {
    const count = setting.sent.filter((id) => id === relay).length
    assert.ok(count >= 100, `${count} of 320`)
  }
})

test('without a named relay a gateway is asked', () => {
  const setting = new Setting()
  setting.connect()
  const gateway = setting.connect('gateway')
  const hidden = setting.add('node', [createIdentity().id])
  setting.relaying.send(hidden.id, Uint8Array.of(1))
  assert.deepEqual(setting.sent, [gateway.id])
})

test('who asks for relaying pays for it, and nothing is relayed beyond what it may cause', () => {
  const setting = new Setting()
  const [asker, recipient] = [setting.connect(), setting.connect()]
  const relayed = setting.relayed(asker, recipient.id)
  assert.equal(setting.relaying.take(asker.id, relayed), undefined)
  assert.deepEqual(setting.sent, [recipient.id])
  const [[payer, bytes] = []] = setting.charged
  assert.equal(payer, asker.id)
  assert.ok((bytes ?? 0) > relayed.packet.length)
  setting.hasWorkLeft = false
  setting.relaying.take(asker.id, setting.relayed(asker, recipient.id))
  assert.deepEqual(setting.sent, [recipient.id])
})

test('what a relay brings is its writer’s work; of a stranger it is the relay’s too', () => {
  const setting = new Setting()
  const [relay, writer, stranger] = [setting.connect(), setting.add(), createIdentity()]
  assert.ok(setting.relaying.take(relay.id, setting.relayed(writer)))
  assert.ok(setting.relaying.take(relay.id, setting.relayed(stranger)))
  assert.deepEqual(setting.admitted, [
    [relay.id, writer.id],
    [undefined, stranger.id],
  ])
})
