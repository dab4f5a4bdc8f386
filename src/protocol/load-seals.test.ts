import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as arbitrary from './load.fixture.ts'
import {
  type ChainWay,
  chainSaltBytes,
  chainWalk,
  isAnchorSealed,
  isDigestSealed,
  sealClusterDigest,
  sealLoadAnchor,
} from './load-seals.ts'
import { loadChain } from './load-statements.ts'
import { nodeKeyLengthBytes, nodeKeyOf, readNodeKey, writeNodeKey } from './node-key.ts'
import * as fixture from './protocol.fixture.ts'

const [identity, other] = fixture.identities
assert.ok(identity !== undefined && other !== undefined)

test('an anchor is good under its own node’s signature, in its own network, unchanged', () => {
  fc.assert(
    fc.property(arbitrary.loadAnchor, fc.nat(2_000), (anchor, at) => {
      const own = sealLoadAnchor(identity, 'net', { ...anchor, node: identity.id })
      assert.ok(isAnchorSealed(own, 'net'))
      assert.ok(!isAnchorSealed(own, 'other'))
      assert.ok(!isAnchorSealed({ ...own, value: { ...own.value, node: other.id } }, 'net'))
      const bytes = own.bytes.slice()
      bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ 1
      assert.ok(!isAnchorSealed({ ...own, bytes }, 'net'))
    }),
    { numRuns: 20 },
  )
})

test('a digest is good under its coordinator’s signature, and is not an anchor', () => {
  const [digest] = fc.sample(arbitrary.clusterDigest, { numRuns: 1, seed: 1 })
  const [anchor] = fc.sample(arbitrary.loadAnchor, { numRuns: 1, seed: 1 })
  assert.ok(digest !== undefined && anchor !== undefined)
  const own = sealClusterDigest(identity, 'net', { ...digest, coordinator: identity.id })
  assert.ok(isDigestSealed(own, 'net'))
  assert.ok(!isDigestSealed({ ...own, value: { ...own.value, coordinator: other.id } }, 'net'))
  const { bytes, signature } = own
  assert.ok(!isAnchorSealed({ value: { ...anchor, node: identity.id }, bytes, signature }, 'net'))
})

test('a way along a chain depends on node, anchor, chain, position and value', () => {
  const value = new Uint8Array(loadChain.valueBytes).fill(7)
  const salt = new Uint8Array(chainSaltBytes).fill(3)
  const other = Buffer.from([1, 2, 3])
  const walked = (from: Uint8Array, way: Omit<ChainWay, 'places'>, places = 1) => {
    const bytes = Buffer.concat([other, from, other])
    chainWalk(bytes, other.length, { ...way, places })
    assert.deepEqual([bytes.subarray(0, 3), bytes.subarray(-3)], [other, other])
    return bytes.toString('hex')
  }
  const results = new Set([
    walked(value, { salt, chain: 1, position: 2 }),
    walked(value, { salt, chain: 2, position: 2 }),
    walked(value, { salt, chain: 1, position: 3 }),
    walked(value, { salt, chain: 1, position: 2 + 256 }),
    walked(value, { salt: salt.with(0, 4), chain: 1, position: 2 }),
    walked(value, { salt: salt.with(13, 4), chain: 1, position: 2 }),
    walked(value.with(15, 8), { salt, chain: 1, position: 2 }),
  ])
  assert.equal(results.size, 7)
  assert.ok(results.has(walked(value, { salt, chain: 1, position: 2 })))
  const twice = walked(value, { salt, chain: 1, position: 3 }, 2)
  const once = Buffer.from(walked(value, { salt, chain: 1, position: 3 }), 'hex').subarray(3, -3)
  assert.equal(twice, walked(once, { salt, chain: 1, position: 2 }))
  const nowhere = walked(value, { salt, chain: 1, position: 3 }, 0)
  assert.equal(nowhere, Buffer.concat([other, value, other]).toString('hex'))
})

test('a key is the beginning of its id, written and read', () => {
  fc.assert(
    fc.property(fixture.nodeId, (id) => {
      const bytes = new Uint8Array(nodeKeyLengthBytes + 4)
      writeNodeKey(nodeKeyOf(id), bytes, 2)
      assert.equal(readNodeKey(bytes, 2), nodeKeyOf(id))
      assert.ok(id.startsWith(nodeKeyOf(id)))
      assert.deepEqual([bytes[0], bytes[1], bytes[12], bytes[13]], [0, 0, 0, 0])
    }),
  )
})
