import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock, seededRandom } from '../base/index.ts'
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

test('a nonce of another length is a programmer error', () => {
  const clock = new ManualClock()
  const store = new NonceStore({ entriesMax: 10, clock })
  assert.throws(() => store.add(alice, new Uint8Array(15), clock.now()), AssertionFailure)
})

test('a store without room is a programmer error', () => {
  const clock = new ManualClock()
  assert.throws(() => new NonceStore({ entriesMax: 0, clock }), AssertionFailure)
})
