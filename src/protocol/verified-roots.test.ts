import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock } from '../base/index.ts'
import { createIdentity } from './identity.ts'
import type { NodeId } from './ids.ts'
import { identities } from './protocol.fixture.ts'
import { VerifiedRoots, verifiedRootsLimits } from './verified-roots.ts'

const [alice = createIdentity(), bob = createIdentity(), carol = createIdentity()] = identities
const { rootsPerSenderMax, generationMs } = verifiedRootsLimits
const signature = new Uint8Array(64).fill(7)
const statementOf = (value: number) => new Uint8Array(40).fill(value)

function setUp(sendersMax = 2) {
  const clock = new ManualClock()
  return { clock, roots: new VerifiedRoots({ sendersMax, clock }) }
}

test('what was verified is remembered, of its sender, statement and signature only', () => {
  const { roots } = setUp()
  const statement = statementOf(1)
  assert.equal(roots.has(alice.id, statement, signature), false)
  roots.add(alice.id, statement, signature)
  assert.equal(roots.has(alice.id, statement, signature), true)
  assert.equal(roots.has(bob.id, statement, signature), false)
  for (const part of [statement, signature]) {
    for (let bit = 0; bit < 8 * part.length; bit += 1) {
      flip(part, bit)
      assert.equal(roots.has(alice.id, statement, signature), false)
      flip(part, bit)
    }
  }
  // Fewer of the same bytes.
  const all = Buffer.concat([statement, signature])
  assert.equal(roots.has(alice.id, all.subarray(0, 40), all.subarray(40, 103)), false)
  assert.equal(roots.has(alice.id, all.subarray(0, 0), all.subarray(0, 0)), false)
})

test('of one sender the last few are remembered', () => {
  const { roots } = setUp()
  roots.add(bob.id, statementOf(200), signature)
  for (let i = 0; i < 3 * rootsPerSenderMax; i += 1) {
    roots.add(alice.id, statementOf(i), signature)
    for (let age = 0; age <= i; age += 1) {
      const isKept = age < rootsPerSenderMax
      assert.equal(roots.has(alice.id, statementOf(i - age), signature), isKept)
    }
  }
  assert.equal(roots.has(bob.id, statementOf(200), signature), true)
})

test('of more senders than there is room for, the first are remembered', () => {
  const { roots, clock } = setUp(2)
  for (const { id } of [alice, bob, carol]) roots.add(id, statementOf(1), signature)
  const known = () => [alice, bob, carol].map(({ id }) => roots.has(id, statementOf(1), signature))
  assert.deepEqual(known(), [true, true, false])
  assert.equal(roots.size, 2)
  clock.advance(generationMs)
  roots.add(carol.id, statementOf(1), signature)
  assert.deepEqual(known(), [true, true, true])
})

test('nothing is remembered for shorter than one generation or longer than two', () => {
  const step = fc.record({
    sender: fc.constantFrom(alice.id, bob.id, carol.id),
    value: fc.nat(5),
    waitMs: fc.oneof(fc.nat(generationMs / 2), fc.nat(3 * generationMs)),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { roots, clock } = setUp(3)
      const addedAtMs = new Map<string, number>()
      for (const { sender, value, waitMs } of steps) {
        clock.advance(waitMs)
        const key = `${sender} ${value}`
        const ageMs = clock.monotonic() - (addedAtMs.get(key) ?? Number.NEGATIVE_INFINITY)
        const isKnown = roots.has(sender, statementOf(value), signature)
        if (ageMs < generationMs) assert.ok(isKnown)
        if (ageMs >= 2 * generationMs) assert.ok(!isKnown)
        roots.add(sender, statementOf(value), signature)
        addedAtMs.set(key, clock.monotonic())
        assert.ok(roots.size <= 6)
      }
      clock.advance(2 * generationMs)
      for (const key of addedAtMs.keys()) {
        const [sender, value] = key.split(' ') as [NodeId, string]
        assert.equal(roots.has(sender, statementOf(Number(value)), signature), false)
      }
      assert.equal(roots.size, 0)
    }),
  )
})

test('a store without room is a programmer error', () => {
  const clock = new ManualClock()
  assert.throws(() => new VerifiedRoots({ sendersMax: 0, clock }), AssertionFailure)
})

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
}
