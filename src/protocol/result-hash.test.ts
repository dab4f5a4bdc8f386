/** What a node signs says which request it answered, and a third party can check it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock } from '../base/index.ts'
import { hashBody, isSignedBySender, signEnvelope } from './envelope.ts'
import { createIdentity } from './identity.ts'
import { modelDigestOf } from './ids.ts'
import { OutputHash } from './output-hash.ts'
import { bytes, modelDigest } from './protocol.fixture.ts'
import { type AskedFields, resultHash } from './result-hash.ts'

const asked = fc.record({ bodyHash: bytes(32), nonce: bytes(16), modelDigest })

test('another request, envelope, model or answer is another hash', () => {
  const textOf = ({ bodyHash, modelDigest: model, nonce }: AskedFields) =>
    [Buffer.from(bodyHash).toString('hex'), Buffer.from(nonce).toString('hex'), model].join()
  fc.assert(
    fc.property(asked, asked, bytes(32), bytes(32), (request, other, output, another) => {
      const hash = resultHash(request, output)
      assert.equal(hash.length, 32)
      assert.deepEqual(resultHash(request, output), hash)
      for (const part of ['bodyHash', 'nonce', 'modelDigest'] as const) {
        const changed = { ...request, [part]: other[part] }
        if (textOf(changed) === textOf(request)) continue
        assert.notDeepEqual(resultHash(changed, output), hash, part)
      }
      if (Buffer.compare(output, another) === 0) return
      assert.notDeepEqual(resultHash(request, another), hash)
    }),
  )
})

test('the bytes are those that the format names', () => {
  const bodyHash = new Uint8Array(32).fill(1)
  const nonce = new Uint8Array(16).fill(3)
  const output = new Uint8Array(32).fill(2)
  const model = new Uint8Array(32).fill(4)
  const prefix = Buffer.from('isochrone.v1.result\0')
  const expected = (flag: number, digest: Uint8Array) => {
    const all = Buffer.concat([prefix, bodyHash, nonce, Uint8Array.of(flag), digest, output])
    return createHash('sha256').update(all).digest('hex')
  }
  const got = (modelDigest: AskedFields['modelDigest']) =>
    Buffer.from(resultHash({ bodyHash, nonce, modelDigest }, output)).toString('hex')
  assert.equal(got(modelDigestOf('04'.repeat(32))), expected(1, model))
  // After one with a model: nothing of it is left over.
  assert.equal(got(null), expected(0, new Uint8Array(32)))
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
    bodyHash: resultHash(request.envelope, output),
    nonce: new Uint8Array(16).fill(2),
  })
  for (const signed of [request, result]) assert.ok(isSignedBySender(signed))
  const forged = { ...result, envelope: { ...result.envelope, recipient: node.id } }
  assert.ok(!isSignedBySender(forged))
  assert.deepEqual(result.envelope.bodyHash, resultHash(request.envelope, output))
  const elsewhere = hashBody(Buffer.from('{"prompt":"another question"}'))
  const other = { ...request.envelope, bodyHash: elsewhere }
  assert.notDeepEqual(result.envelope.bodyHash, resultHash(other, output))
})

test('a hash of another length is a programmer error', () => {
  const fields = { bodyHash: new Uint8Array(32), nonce: new Uint8Array(16), modelDigest: null }
  const digest = new Uint8Array(32)
  const short = { ...fields, bodyHash: new Uint8Array(31) }
  assert.throws(() => resultHash(short, digest), AssertionFailure)
  assert.throws(() => resultHash({ ...fields, nonce: digest }, digest), AssertionFailure)
  assert.throws(() => resultHash(fields, new Uint8Array(0)), AssertionFailure)
})
