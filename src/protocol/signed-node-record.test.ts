import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { envelopeLimits } from './envelope-limits.ts'
import { hasCode } from './errors.ts'
import { createIdentity } from './identity.ts'
import type { NodeRecord } from './node-record.ts'
import { identities, nodeRecord } from './protocol.fixture.ts'
import { recordLifeMaxMs, signNodeRecord, verifyNodeRecord } from './signed-node-record.ts'

const [alice = createIdentity(), bob = createIdentity()] = identities
const now = 1_700_000_000_000

const valid = nodeRecord.map(
  (record): NodeRecord => ({
    ...record,
    id: alice.id,
    issuedAtMs: now - 1_000,
    expiresAtMs: now + 600_000,
  }),
)

test('a record that its own node signed is accepted', () => {
  fc.assert(
    fc.property(valid, (record) => {
      const signed = signNodeRecord(alice, record)
      const verified = verifyNodeRecord(signed.bytes, signed.signature, now)
      assert.equal(JSON.stringify(verified), JSON.stringify(record))
    }),
    { numRuns: 50 },
  )
})

test('a record that another signed is refused', () => {
  fc.assert(
    fc.property(valid, (record) => {
      const { bytes, signature } = signNodeRecord(bob, record)
      assert.throws(
        () => verifyNodeRecord(bytes, signature, now),
        (error) => hasCode(error, 'invalid_signature'),
      )
    }),
    { numRuns: 20 },
  )
})

test('a record with one changed byte is refused', () => {
  fc.assert(
    fc.property(valid, fc.nat(100_000), fc.integer({ min: 1, max: 255 }), (record, at, flip) => {
      const { bytes, signature } = signNodeRecord(alice, record)
      const changed = bytes.slice()
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip
      assert.throws(
        () => verifyNodeRecord(changed, signature, now),
        (error) =>
          hasCode(error, 'invalid_signature') ||
          hasCode(error, 'malformed_message') ||
          hasCode(error, 'envelope_expired'),
      )
    }),
  )
})

test('a record is refused outside of its time', () => {
  const record = fc.sample(valid, { numRuns: 1, seed: 1 })[0]
  assert.ok(record !== undefined)
  const { clockSkewMaxMs } = envelopeLimits
  const times = [
    [now - 100_000, now - clockSkewMaxMs - 1],
    [now + clockSkewMaxMs + 1, now + 600_000],
    [now, now + recordLifeMaxMs + 1],
    [now, now - 1],
  ] as const
  for (const [issuedAtMs, expiresAtMs] of times) {
    const { bytes, signature } = signNodeRecord(alice, { ...record, issuedAtMs, expiresAtMs })
    assert.throws(
      () => verifyNodeRecord(bytes, signature, now),
      (error) => hasCode(error, 'envelope_expired'),
    )
  }
})

test('a feature that only newer programs know is left out', () => {
  const record = fc.sample(valid, { numRuns: 1, seed: 2 })[0]
  assert.ok(record !== undefined)
  const features = ['chat', 'telepathy', 'seed'] as unknown as readonly ['chat', 'seed']
  const model = {
    name: 'm',
    digest: null,
    runtime: 'onnx/cpu',
    quantisation: 'float32',
    contextTokensMax: 512,
    decodeTokensPerSecond: 1,
    prefillTokensPerSecond: 1,
    slots: 1,
    features,
    promptPrice: 0,
    completionPrice: 0,
  }
  const { bytes, signature } = signNodeRecord(alice, { ...record, models: [model] })
  assert.deepEqual(verifyNodeRecord(bytes, signature, now).models[0]?.features, ['chat', 'seed'])
})

test('a record with a quantity that no machine has is refused', () => {
  const hostile = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 1e17, 1e308)
  const field = fc.constantFrom(
    'decodeTokensPerSecond',
    'prefillTokensPerSecond',
    'promptPrice',
    'completionPrice',
  )
  const offering = valid.filter(({ models }) => models.length > 0)
  fc.assert(
    fc.property(offering, hostile, field, (record, quantity, name) => {
      const models = record.models.map((model) => ({ ...model, [name]: quantity }))
      const { bytes, signature } = signNodeRecord(alice, { ...record, models })
      assert.throws(
        () => verifyNodeRecord(bytes, signature, now),
        (error) => hasCode(error, 'malformed_message'),
      )
    }),
  )
})

test('a signature over the bytes alone, made for something else, is none over a record', () => {
  fc.assert(
    fc.property(valid, (record) => {
      const { bytes } = signNodeRecord(alice, record)
      assert.throws(
        () => verifyNodeRecord(bytes, alice.sign(bytes), now),
        (error) => hasCode(error, 'invalid_signature'),
      )
    }),
    { numRuns: 20 },
  )
})
