import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AssertionFailure, ManualClock } from '../base/index.ts'
import {
  beginVerification,
  canonicalBytes,
  type Envelope,
  type EnvelopeExpectation,
  hashBody,
  type SignedEnvelope,
  signEnvelope,
  verifyEnvelope,
} from './envelope.ts'
import { envelopeLimits } from './envelope-limits.ts'
import type { ErrorCode } from './error-codes.ts'
import { hasCode } from './errors.ts'
import { createIdentity } from './identity.ts'
import { modelDigestOf } from './ids.ts'
import { NonceStore } from './nonce-store.ts'
import { envelope, identities } from './protocol.fixture.ts'

const [alice = createIdentity(), bob = createIdentity(), carol = createIdentity()] = identities
const body = Buffer.from('what is the capital of Peru?')

function setUp() {
  const clock = new ManualClock()
  const now = clock.now()
  const nonces = new NonceStore({ entriesMax: 100, clock })
  const fields: Omit<Envelope, 'version' | 'sender'> = {
    domain: 'request',
    network: 'home',
    recipient: bob.id,
    bodyHash: hashBody(body),
    nonce: new Uint8Array(16).fill(9),
    issuedAtMs: now,
    expiresAtMs: now + 30_000,
    modelDigest: modelDigestOf('ab'.repeat(32)),
  }
  const expectation: EnvelopeExpectation = {
    expectedDomain: 'request',
    network: 'home',
    self: bob.id,
    peer: alice.id,
    bodyHash: hashBody(body),
    now,
    nonces,
  }
  return { fields, expectation, now }
}

function assertRefused(signed: SignedEnvelope, expectation: EnvelopeExpectation, code: ErrorCode) {
  assertThrows(() => verifyEnvelope(signed, expectation), code)
}

function assertThrows(action: () => unknown, code: ErrorCode) {
  assert.throws(action, (error) => {
    assert.ok(hasCode(error, code), String(error))
    return true
  })
}

test('a signed envelope is accepted once', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  verifyEnvelope(signed, expectation)
  assertRefused(signed, expectation, 'envelope_replayed')
})

test('a replay is refused for as long as the envelope is valid', () => {
  const { fields, expectation, now } = setUp()
  const clock = new ManualClock(now)
  const nonces = new NonceStore({ entriesMax: 10, clock })
  const signed = signEnvelope(alice, fields)
  verifyEnvelope(signed, { ...expectation, nonces })
  for (let waitedMs = 0; waitedMs < 120_000; waitedMs += 1_000) {
    clock.advance(1_000)
    const isOver = clock.now() > fields.expiresAtMs + envelopeLimits.clockSkewMaxMs
    const code = isOver ? 'envelope_expired' : 'envelope_replayed'
    assertRefused(signed, { ...expectation, now: clock.now(), nonces }, code)
  }
})

test('a peer that speaks for another is refused', () => {
  const { fields, expectation } = setUp()
  assertRefused(signEnvelope(carol, fields), expectation, 'identity_mismatch')
  const signed = signEnvelope(alice, fields)
  assertRefused(signed, { ...expectation, peer: carol.id }, 'identity_mismatch')
  // Another's name on one's own signature.
  const { signature } = signEnvelope(carol, fields)
  assertRefused({ ...signed, signature }, expectation, 'invalid_signature')
})

test('an envelope for somebody else, or for nobody, is refused', () => {
  const { fields, expectation } = setUp()
  for (const recipient of [carol.id, alice.id, null]) {
    const signed = signEnvelope(alice, { ...fields, recipient })
    assertRefused(signed, expectation, 'identity_mismatch')
  }
})

test('only a record may be for anybody', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, { ...fields, domain: 'record', recipient: null })
  verifyEnvelope(signed, { ...expectation, expectedDomain: 'record' })
})

test('an envelope for another domain, network or body is refused', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  const others = [
    { expectedDomain: 'result' as const },
    { network: 'away' },
    { bodyHash: hashBody(Buffer.from('another body')) },
    { bodyHash: new Uint8Array(0) },
  ]
  for (const other of others) {
    assertRefused(signed, { ...expectation, ...other }, 'invalid_signature')
  }
})

test('time: expired, from the future, too long, upside down', () => {
  const { fields, expectation, now } = setUp()
  const { clockSkewMaxMs, lifeMaxMs } = envelopeLimits
  const at = (issuedAtMs: number, expiresAtMs: number) =>
    signEnvelope(alice, {
      ...fields,
      issuedAtMs,
      expiresAtMs,
      nonce: crypto.getRandomValues(new Uint8Array(16)),
    })
  verifyEnvelope(at(now - 50_000, now - clockSkewMaxMs), expectation)
  verifyEnvelope(at(now + clockSkewMaxMs, now + clockSkewMaxMs), expectation)
  verifyEnvelope(at(now, now + lifeMaxMs), expectation)
  const refused = [
    [now - 50_000, now - clockSkewMaxMs - 1],
    [now + clockSkewMaxMs + 1, now + clockSkewMaxMs + 2],
    [now, now + lifeMaxMs + 1],
    [now, now - 1],
    [0, Number.MAX_SAFE_INTEGER],
  ] as const
  for (const [issued, expires] of refused) {
    assertRefused(at(issued, expires), expectation, 'envelope_expired')
  }
})

test('a result lives shorter than a request may', () => {
  const { fields, expectation, now } = setUp()
  const { resultLifeMaxMs } = envelopeLimits
  const lasting = (lifeMs: number) =>
    signEnvelope(alice, { ...fields, domain: 'result', expiresAtMs: now + lifeMs })
  const result = { ...expectation, expectedDomain: 'result' as const }
  assertRefused(lasting(resultLifeMaxMs + 1), result, 'envelope_expired')
  verifyEnvelope(lasting(resultLifeMaxMs), result)
})

test('an envelope about another model is refused where the model is known', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  const other = modelDigestOf('cd'.repeat(32))
  for (const modelDigest of [other, null]) {
    assertRefused(signed, { ...expectation, modelDigest }, 'invalid_signature')
  }
  const silent = signEnvelope(alice, { ...fields, modelDigest: null })
  assertRefused(silent, { ...expectation, modelDigest: other }, 'invalid_signature')
  verifyEnvelope(signed, { ...expectation, modelDigest: fields.modelDigest })
})

test('a field changed after signing: the envelope is refused and no nonce used up', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  const nonces = new NonceStore({ entriesMax: 10, clock: new ManualClock() })
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(fields), 'sender'), envelope, (field, other) => {
      const value = other[field as keyof Envelope]
      fc.pre(JSON.stringify(value) !== JSON.stringify(signed.envelope[field as keyof Envelope]))
      const changed = { ...signed, envelope: { ...signed.envelope, [field]: value } }
      assert.throws(() => verifyEnvelope(changed, { ...expectation, nonces }))
    }),
  )
  assert.equal(nonces.size, 0)
  verifyEnvelope(signed, { ...expectation, nonces })
})

test('a changed signature is refused, and no nonce used up', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  fc.assert(
    fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const signature = signed.signature.slice()
      signature[at] = (signature[at] ?? 0) ^ flip
      assertRefused({ ...signed, signature }, expectation, 'invalid_signature')
    }),
    { numRuns: 50 },
  )
  for (const length of [0, 63, 65]) {
    const signature = new Uint8Array(length)
    assertRefused({ ...signed, signature }, expectation, 'invalid_signature')
  }
  assert.equal(expectation.nonces.size, 0)
})

test('in two parts: no nonce is taken, and nothing accepted, before the second', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  const [first, second] = [1, 2].map(() => beginVerification(signed, expectation))
  assert.equal(expectation.nonces.size, 0)
  assert.deepEqual(first?.finish(), signed.envelope)
  assert.equal(expectation.nonces.size, 1)
  // Both were begun while the nonce was new; it is still taken once.
  assertThrows(() => second?.finish(), 'envelope_replayed')
})

test('in two parts: what is cheap to see is refused in the first', () => {
  const { fields, expectation, now } = setUp()
  const signed = signEnvelope(alice, fields)
  const refusals: readonly (readonly [ErrorCode, Partial<EnvelopeExpectation>])[] = [
    ['identity_mismatch', { peer: carol.id }],
    ['identity_mismatch', { self: carol.id }],
    ['invalid_signature', { expectedDomain: 'result' }],
    ['invalid_signature', { network: 'away' }],
    ['invalid_signature', { bodyHash: hashBody(Buffer.from('another body')) }],
    ['invalid_signature', { modelDigest: null }],
    ['envelope_expired', { now: now + 3_600_000 }],
  ]
  for (const [code, other] of refusals) {
    assertThrows(() => beginVerification(signed, { ...expectation, ...other }), code)
  }
  verifyEnvelope(signed, expectation)
  assertThrows(() => beginVerification(signed, expectation), 'envelope_replayed')
})

test('in two parts: a forgery is refused in the second, or as a forgery in the first', () => {
  const { fields, expectation } = setUp()
  const signed = signEnvelope(alice, fields)
  const { signature } = signEnvelope(carol, fields)
  const forged = { ...signed, signature }
  const pending = beginVerification(forged, expectation)
  assertThrows(() => pending.finish(), 'invalid_signature')
  assert.equal(expectation.nonces.size, 0)
  verifyEnvelope(signed, expectation)
  assertThrows(() => beginVerification(forged, expectation), 'invalid_signature')
})

test('when no more nonces can be remembered, another node may be tried', () => {
  const { fields, expectation } = setUp()
  const nonces = new NonceStore({ entriesMax: 1, clock: new ManualClock() })
  verifyEnvelope(signEnvelope(alice, fields), { ...expectation, nonces })
  const next = signEnvelope(alice, { ...fields, nonce: new Uint8Array(16) })
  assertRefused(next, { ...expectation, nonces }, 'all_nodes_busy')
  assertThrows(() => beginVerification(next, { ...expectation, nonces }), 'all_nodes_busy')
})

test('two different envelopes never have the same bytes', () => {
  fc.assert(
    fc.property(envelope, envelope, fc.constantFrom(...fieldNames), (a, b, field) => {
      // Alike in all but one field: the nearest that two envelopes can be.
      const near: Envelope = { ...a, [field]: b[field] }
      const isSame = JSON.stringify(a[field]) === JSON.stringify(b[field])
      assert.equal(Buffer.compare(canonicalBytes(a), canonicalBytes(near)) === 0, isSame)
    }),
    { numRuns: 500 },
  )
})

const fieldNames = [
  'domain',
  'network',
  'sender',
  'recipient',
  'bodyHash',
  'nonce',
  'issuedAtMs',
  'expiresAtMs',
  'modelDigest',
] as const

test('the canonical bytes can be read back, so no two envelopes share them', () => {
  fc.assert(
    fc.property(envelope, (value) => {
      const parts = splitLengthPrefixed(canonicalBytes(value))
      assert.equal(parts.length, 11)
      assert.equal(parts[0]?.toString(), 'isochrone.v1.envelope')
      assert.equal(parts[1]?.readUInt8(), 1)
      assert.equal(parts[2]?.toString(), value.domain)
      assert.equal(parts[3]?.toString(), value.network)
      assert.equal(parts[5]?.length, value.recipient === null ? 0 : 32)
      assert.deepEqual(parts[6], Buffer.from(value.bodyHash))
      assert.deepEqual(parts[7], Buffer.from(value.nonce))
      assert.equal(Number(parts[8]?.readBigUInt64BE()), value.issuedAtMs)
      assert.equal(Number(parts[9]?.readBigUInt64BE()), value.expiresAtMs)
      assert.equal(parts[10]?.length, value.modelDigest === null ? 0 : 32)
    }),
  )
})

test('an envelope that cannot be written canonically is a programmer error', () => {
  const { fields } = setUp()
  const wrong: Partial<Envelope>[] = [
    { network: '\ud800' },
    { bodyHash: new Uint8Array(31) },
    { nonce: new Uint8Array(15) },
    { issuedAtMs: -1 },
    { expiresAtMs: Number.NaN },
  ]
  for (const field of wrong) {
    assert.throws(() => signEnvelope(alice, { ...fields, ...field }), AssertionFailure)
  }
})

function splitLengthPrefixed(bytes: Uint8Array): Buffer[] {
  const rest = Buffer.from(bytes)
  const parts: Buffer[] = []
  for (let at = 0; at < rest.length; ) {
    const length = rest.readUInt32BE(at)
    parts.push(rest.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return parts
}
