import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock, seededRandom } from '../base/index.ts'
import { envelopeLimits } from './envelope-limits.ts'
import { createIdentity } from './identity.ts'
import type { NodeId } from './ids.ts'
import { NonceStore } from './nonce-store.ts'
import { emptyEntry, fillEntry, NonceHash, NonceTable } from './nonce-table.ts'
import { identities } from './protocol.fixture.ts'

const [alice, bob, carol] = identities.map(({ id }) => id) as [NodeId, NodeId, NodeId]

function nonceOf(value: number): Uint8Array {
  const nonce = Buffer.alloc(16)
  nonce.writeUInt32BE(value, 4)
  return nonce
}

test('a nonce is new once per sender', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 10, clock })
  assert.equal(store.add(alice, nonceOf(1), clock.now() + 1000), 'new')
  assert.equal(store.add(alice, nonceOf(1), clock.now() + 9000), 'seen')
  assert.equal(store.add(bob, nonceOf(1), clock.now() + 1000), 'new')
  assert.equal(store.add(alice, nonceOf(2), clock.now() + 1000), 'new')
  assert.equal(store.size, 3)
})

test('a full store refuses instead of forgetting', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 4, clock })
  for (const value of [1, 2]) assert.equal(store.add(alice, nonceOf(value), clock.now()), 'new')
  // Half of the store is the most for one sender.
  assert.equal(store.add(alice, nonceOf(3), clock.now()), 'full')
  for (const value of [1, 2]) assert.equal(store.add(bob, nonceOf(value), clock.now()), 'new')
  assert.equal(store.add(carol, nonceOf(1), clock.now()), 'full')
  assert.equal(store.add(alice, nonceOf(1), clock.now()), 'seen')
})

test('whether a nonce would be accepted can be asked, and changes nothing', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 3, entriesPerSenderMax: 2, clock })
  const untilMs = clock.now() + 1_000
  for (let i = 0; i < 3; i += 1) assert.ok(store.accepts(alice, nonceOf(1)))
  assert.equal(store.size, 0)
  assert.equal(store.add(alice, nonceOf(1), untilMs), 'new')
  assert.ok(!store.accepts(alice, nonceOf(1)))
  assert.ok(store.accepts(alice, nonceOf(2)))
  assert.ok(store.accepts(bob, nonceOf(1)))
  assert.equal(store.add(alice, nonceOf(2), untilMs), 'new')
  assert.ok(!store.accepts(alice, nonceOf(3)))
  assert.equal(store.add(bob, nonceOf(1), untilMs), 'new')
  assert.ok(!store.accepts(carol, nonceOf(1)))
  clock.advance(20_000)
  assert.ok(store.accepts(alice, nonceOf(1)))
})

test('room comes back with time', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 2, entriesPerSenderMax: 2, clock })
  store.add(alice, nonceOf(1), clock.now() + 1_000)
  store.add(alice, nonceOf(2), clock.now() + 60_000)
  assert.equal(store.add(alice, nonceOf(3), clock.now() + 1_000), 'full')
  clock.advance(10_000)
  assert.equal(store.add(alice, nonceOf(3), clock.now() + 1_000), 'new')
  clock.advance(1_000_000)
  assert.equal(store.add(alice, nonceOf(4), clock.now()), 'new')
  assert.equal(store.size, 1)
})

test('no nonce is new again before its time, and the bounds hold always', () => {
  const step = fc.record({
    sender: fc.constantFrom(alice, bob, carol),
    value: fc.nat(8),
    lifeMs: fc.nat(30_000),
    waitMs: fc.oneof(fc.nat(3_000), fc.nat(100_000)),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (steps, max) => {
      const clock = new ManualClock()
      const store = new NonceStore({ entriesMax: max, clock })
      const keptUntil = new Map<string, number>()
      for (const { sender, value, lifeMs, waitMs } of steps) {
        const key = `${sender} ${value}`
        const until = clock.now() + lifeMs
        const outcome = store.add(sender, nonceOf(value), until)
        if ((keptUntil.get(key) ?? 0) >= clock.now()) assert.equal(outcome, 'seen')
        if (outcome === 'new') keptUntil.set(key, until)
        assert.ok(store.size <= max)
        clock.advance(waitMs)
      }
      // Nothing is kept for ever.
      clock.advance(200_000)
      assert.equal(store.add(createIdentity().id, nonceOf(0), clock.now()), 'new')
      assert.equal(store.size, 1)
    }),
  )
})

test('a time long past or far ahead is no trouble', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 10, clock })
  assert.equal(store.add(alice, nonceOf(1), 0), 'new')
  assert.equal(store.add(alice, nonceOf(1), 0), 'seen')
  assert.equal(store.add(alice, nonceOf(2), Number.MAX_SAFE_INTEGER), 'new')
  clock.advance(10_000_000_000)
  assert.equal(store.add(alice, nonceOf(2), 0), 'seen')
  assert.equal(store.size, 1)
})

/** A clock that can be set. */
function wallClock(nowMs: number) {
  let wallMs = nowMs
  const clock = Object.assign(new ManualClock(), { now: () => wallMs })
  return {
    clock,
    advance(ms: number) {
      wallMs += ms
    },
  }
}

test('after a clock was set back by years, room comes back with time as ever', () => {
  const { clock, advance } = wallClock(1_900_000_000_000)
  const store = new NonceStore({ entriesMax: 200, clock })
  for (let i = 0; i < 50; i += 1) store.add(alice, nonceOf(i), clock.now() + 60_000)
  advance(-100_000_000_000)
  for (let i = 50; i < 1_000; i += 1) {
    advance(1_000)
    assert.equal(store.add(alice, nonceOf(i), clock.now() + 60_000), 'new')
  }
  assert.ok(store.size <= 71, `${store.size}`)
})

test('a clock set back by less than an envelope lives makes no nonce new again', () => {
  const { clock, advance } = wallClock(1_900_000_000_000)
  const store = new NonceStore({ entriesMax: 200, clock })
  const untilMs = clock.now() + envelopeLimits.lifeMaxMs + envelopeLimits.clockSkewMaxMs
  store.add(alice, nonceOf(1), untilMs)
  advance(-envelopeLimits.clockSkewMaxMs)
  assert.equal(store.add(alice, nonceOf(1), untilMs), 'seen')
  advance(envelopeLimits.lifeMaxMs)
  assert.equal(store.add(alice, nonceOf(1), untilMs), 'seen')
  advance(3 * envelopeLimits.clockSkewMaxMs)
  assert.equal(store.add(alice, nonceOf(1), untilMs), 'new')
})

test('of many nonces each is known, and no other, whatever the places are', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const clock = new ManualClock()
      const random = seededRandom(seed)
      const store = new NonceStore({ entriesMax: 4_000, clock, random: seededRandom(seed + 1) })
      const senders = [alice, bob]
      const nonces = Array.from({ length: 1_000 }, () => random.bytes(16))
      const untilMs = () => clock.now() + random.below(30_000)
      for (const nonce of nonces) {
        for (const id of senders) assert.equal(store.add(id, nonce, untilMs()), 'new')
      }
      for (const nonce of nonces) {
        for (const id of senders) assert.equal(store.add(id, nonce, untilMs()), 'seen')
        const other = Uint8Array.from(nonce)
        const bit = random.below(128)
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const { size } = store
        assert.equal(store.add(carol, nonce, clock.now()), size < 4_000 ? 'new' : 'full')
        assert.equal(store.add(alice, other, clock.now()) === 'seen', false)
      }
    }),
    { numRuns: 5 },
  )
})

test('nonces that are alike but for their last bits do not lie in each other’s way', () => {
  const hash = new NonceHash(seededRandom(5))
  const table = new NonceTable(hash)
  const entry = emptyEntry()
  const seen = new Set<number>()
  for (let value = 0; value < 4_096; value += 1) {
    const nonce = Buffer.alloc(16)
    nonce.writeUInt32LE(value, 4 * (value % 4))
    fillEntry(entry, nonce, 1 + (value % 3))
    entry.hash = hash.of(entry.words)
    if (!table.has(entry)) table.add(entry)
    seen.add(entry.hash >>> 20)
  }
  // Thrown at random, 4,096 balls hit 63 % of as many places.
  assert.ok(seen.size > 0.55 * 4_096, `${seen.size} places`)
})

test('nobody can choose nonces that lie in one place whatever the secret is', () => {
  // Sums and products let the top bit of a word through as it is: the next word can take it back.
  const flips = [0, 1, 2].map((word) => [word, 0x80010002, word + 1, 0x80018003] as const)
  const entry = emptyEntry()
  for (let seed = 0; seed < 50; seed += 1) {
    const hash = new NonceHash(seededRandom(seed))
    const places = new Set<number>()
    for (let chosen = 0; chosen < 8; chosen += 1) {
      const words = new Uint32Array(4)
      for (const [bit, [word, flip, next, back]] of flips.entries()) {
        if (((chosen >> bit) & 1) === 0) continue
        words[word] = (words[word] ?? 0) ^ flip
        words[next] = (words[next] ?? 0) ^ back
      }
      fillEntry(entry, Buffer.from(words.buffer), 1)
      places.add(hash.of(entry.words))
    }
    assert.equal(places.size, 8)
  }
})

test('a nonce of another length is a programmer error', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 10, clock })
  assert.throws(() => store.add(alice, new Uint8Array(15), clock.now()), AssertionFailure)
})

test('a store without room is a programmer error', () => {
  const clock = new ManualClock()
  assert.throws(() => new NonceStore({ entriesMax: 0, clock }), AssertionFailure)
})
