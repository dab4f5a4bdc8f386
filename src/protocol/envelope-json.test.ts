import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isSignedBySender } from './envelope.ts'
import { envelopeFromJson, envelopeToJson } from './envelope-json.ts'
import { signedEnvelope } from './protocol.fixture.ts'

const throughText = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

test('an envelope comes back from its JSON as it was', () => {
  fc.assert(
    fc.property(signedEnvelope, (signed) => {
      const back = envelopeFromJson(throughText(envelopeToJson(signed)))
      assert.ok(back !== undefined)
      assert.deepEqual(envelopeToJson(back), envelopeToJson(signed))
      assert.equal(isSignedBySender(back), isSignedBySender(signed))
    }),
  )
})

test('whatever else comes is none, and nothing is thrown', () => {
  const anything = fc.jsonValue()
  fc.assert(
    fc.property(signedEnvelope, fc.string(), anything, (signed, field, value) => {
      assert.equal(envelopeFromJson(value), undefined)
      const whole = envelopeToJson(signed)
      for (const name of [field, ...Object.keys(whole)]) {
        const back = envelopeFromJson({ ...whole, [name]: value })
        if (back !== undefined) isSignedBySender(back)
      }
    }),
  )
})
