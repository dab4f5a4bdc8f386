import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { it } from 'node:test'
import { createIdentity } from '../../protocol/index.ts'
import { certificateId, createCredentials } from './certificate.ts'

it('a certificate proves its id: OpenSSL reads it, verifies it and finds the key', () => {
  for (let i = 0; i < 20; i += 1) {
    const identity = createIdentity()
    const certificate = new X509Certificate(createCredentials(identity).certificate)
    assert.equal(certificateId(certificate), identity.id)
    assert.ok(certificate.verify(certificate.publicKey))
    assert.ok(certificate.checkPrivateKey(identity.privateKey))
    assert.equal(certificate.checkHost(identity.id), identity.id)
    assert.equal(certificate.subject, `CN=${identity.id}`)
    assert.equal(certificate.ca, false)
    assert.equal(new Date(certificate.validTo).getUTCFullYear(), 9999)
  }
})

it('no certificate, and none made for another key', () => {
  assert.equal(certificateId(undefined), undefined)
  const other = createIdentity()
  const { privateKey } = generateKeyPairSync('ed25519')
  assert.throws(() => createCredentials({ id: other.id, privateKey }), RangeError)
})
