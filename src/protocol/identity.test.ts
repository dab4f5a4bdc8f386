import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode } from './errors.ts'
import { createIdentity, identityFromPem, identityToPem, verifySignature } from './identity.ts'
import { type NodeId, publicKeyOf } from './ids.ts'
import { bytes, identities, nodeId } from './protocol.fixture.ts'

const [alice = createIdentity(), bob = createIdentity()] = identities

test('an identity survives its PEM form', () => {
  const restored = identityFromPem(identityToPem(alice))
  assert.equal(restored.id, alice.id)
  assert.deepEqual(restored.publicKey, alice.publicKey)
  assert.deepEqual(publicKeyOf(alice.id), alice.publicKey)
  const message = Buffer.from('message')
  assert.deepEqual(restored.sign(message), alice.sign(message))
})

test('a signature is its signer’s, over these bytes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.nat(63),
      fc.integer({ min: 1, max: 255 }),
      (message, at, flip) => {
        const signature = alice.sign(message)
        assert.equal(signature.length, 64)
        assert.ok(verifySignature(alice.id, message, signature))
        assert.ok(!verifySignature(bob.id, message, signature))
        assert.ok(!verifySignature(alice.id, Buffer.concat([message, Buffer.of(0)]), signature))
        signature[at] = (signature[at] ?? 0) ^ flip
        assert.ok(!verifySignature(alice.id, message, signature))
      },
    ),
    { numRuns: 50 },
  )
})

test('keys and signatures that are none never verify and never throw', () => {
  const message = Buffer.from('message')
  fc.assert(
    fc.property(nodeId, bytes(64), (id, signature) => {
      assert.ok(!verifySignature(id, message, signature))
    }),
    { numRuns: 50 },
  )
  for (const length of [0, 63, 65]) {
    assert.ok(!verifySignature(alice.id, message, new Uint8Array(length)))
  }
  assert.ok(!verifySignature('not an id' as NodeId, message, new Uint8Array(64)))
})

test('what is not an Ed25519 key is refused without quoting it', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const pems = ['', 'nonsense', `${identityToPem(alice).slice(0, 60)}`, alice.id]
  for (const pem of [...pems, ec.export({ type: 'pkcs8', format: 'pem' }).toString()]) {
    assert.throws(
      () => identityFromPem(pem),
      (error) => {
        assert.ok(hasCode(error, 'invalid_configuration') && error instanceof Error)
        assert.ok(pem === '' || !error.message.includes(pem))
        assert.equal(error.cause, undefined)
        return true
      },
    )
  }
})
