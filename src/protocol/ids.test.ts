import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  decisionIdOf,
  isDecisionId,
  isModelDigest,
  isNodeId,
  isUpstreamId,
  modelDigestOf,
  nodeIdOf,
  publicKeyOf,
  requestIdOf,
  shortId,
} from './ids.ts'
import { bytes } from './protocol.fixture.ts'

test('a node id is its public key in base32', () => {
  fc.assert(
    fc.property(bytes(32), (key) => {
      const id = nodeIdOf(key)
      assert.ok(isNodeId(id))
      assert.deepEqual(publicKeyOf(id), key)
      assert.equal(shortId(id), id.slice(0, 8))
    }),
  )
})

test('base32 is that of RFC 4648', () => {
  // The RFC's own example, "foobar", and zeros: its last character has bits of the zeros.
  const key = new Uint8Array(32)
  key.set(Buffer.from('foobar'))
  assert.equal(nodeIdOf(key).slice(0, 9), 'mzxw6ytbo')
  assert.equal(nodeIdOf(new Uint8Array(32).fill(255)), `${'7'.repeat(51)}q`)
})

test('two texts never stand for the same key', () => {
  // 52 characters hold 260 bits, a key has 256: the last character's lower bits must be zero.
  const id = nodeIdOf(new Uint8Array(32))
  for (const last of 'bcdefghijklmnopr234567') assert.ok(!isNodeId(id.slice(0, 51) + last))
  for (const wrong of ['', id.slice(1), `${id}a`, id.toUpperCase(), `${id}\n`, ` ${id}`]) {
    assert.ok(!isNodeId(wrong))
  }
})

test('a key of another length has no id', () => {
  for (const length of [0, 31, 33])
    assert.throws(() => nodeIdOf(new Uint8Array(length)), RangeError)
})

test('each kind of id is told from the others', () => {
  const random = new Uint8Array(16).fill(7)
  assert.ok(isDecisionId(decisionIdOf(random)))
  assert.ok(!isDecisionId(requestIdOf(random)))
  assert.ok(isModelDigest(modelDigestOf('0'.repeat(64))))
  assert.ok(!isModelDigest(modelDigestOf('0'.repeat(63))))
  assert.ok(!isModelDigest(modelDigestOf('A'.repeat(64))))
  assert.ok(isUpstreamId('upstream-vllm-1'))
  for (const wrong of ['upstream-', 'upstream-A', 'upstream--a', `upstream-${'a'.repeat(64)}`]) {
    assert.ok(!isUpstreamId(wrong))
  }
})
