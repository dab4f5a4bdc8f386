import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock } from '../base/index.ts'
import { createIdentity } from './identity.ts'
import type { NodeId } from './ids.ts'
import { NonceStore } from './nonce-store.ts'
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

test('a store without room is a programmer error', () => {
  const clock = new ManualClock()
  assert.throws(() => new NonceStore({ entriesMax: 0, clock }), AssertionFailure)
})
