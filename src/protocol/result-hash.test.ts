/** What a node signs says which request it answered, and a third party can check it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock } from '../base/index.ts'
import { canonicalBytes, hashBody, signEnvelope } from './envelope.ts'
import { createIdentity, verifySignature } from './identity.ts'
import { OutputHash } from './output-hash.ts'
import { bytes } from './protocol.fixture.ts'
import { resultHash } from './result-hash.ts'

test('another request or another answer is another hash', () => {
  const digest = bytes(32)
  fc.assert(
    fc.property(digest, digest, digest, (request, output, other) => {
      fc.pre(Buffer.compare(request, other) !== 0 && Buffer.compare(output, other) !== 0)
      const hash = resultHash(request, output)
      assert.equal(hash.length, 32)
      assert.deepEqual(resultHash(request, output), hash)
      assert.notDeepEqual(resultHash(other, output), hash)
      assert.notDeepEqual(resultHash(request, other), hash)
      if (Buffer.compare(request, output) !== 0) {
        assert.notDeepEqual(resultHash(output, request), hash)
      }
    }),
  )
})

test('the bytes are those that the format names', () => {
  const request = new Uint8Array(32).fill(1)
  const output = new Uint8Array(32).fill(2)
  const all = Buffer.concat([Buffer.from('isochrone.v1.result\0'), request, output])
  const expected = createHash('sha256').update(all).digest()
  assert.deepEqual(Buffer.from(resultHash(request, output)), expected)
})

test('who was not there can tell from two envelopes what was answered to what', () => {
  const gateway = createIdentity()
  const node = createIdentity()
  const now = new ManualClock().now()
  const times = { issuedAtMs: now, expiresAtMs: now + 1_000 }
  const common = { network: 'home', modelDigest: null, ...times }
  const body = Buffer.from('{"prompt":"the capital of Peru"}')
  const answer = new OutputHash()
  answer.add([{ type: 'finish', choice: 0, reason: 'stop' }])
  const output = answer.digest()
  const request = signEnvelope(gateway, {
    ...common,
    domain: 'request',
    recipient: node.id,
    bodyHash: hashBody(body),
    nonce: new Uint8Array(16).fill(1),
  })
  const result = signEnvelope(node, {
    ...common,
    domain: 'result',
    recipient: gateway.id,
    bodyHash: resultHash(hashBody(body), output),
    nonce: new Uint8Array(16).fill(2),
  })
  for (const { envelope, signature } of [request, result]) {
    assert.ok(verifySignature(envelope.sender, canonicalBytes(envelope), signature))
  }
  const proven = resultHash(request.envelope.bodyHash, output)
  assert.deepEqual(result.envelope.bodyHash, proven)
  const elsewhere = hashBody(Buffer.from('{"prompt":"another question"}'))
  assert.notDeepEqual(result.envelope.bodyHash, resultHash(elsewhere, output))
})

test('a hash of another length is a programmer error', () => {
  const digest = new Uint8Array(32)
  assert.throws(() => resultHash(new Uint8Array(31), digest), AssertionFailure)
  assert.throws(() => resultHash(digest, new Uint8Array(0)), AssertionFailure)
})
