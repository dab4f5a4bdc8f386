import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createIdentity, messageLimits } from '../../protocol/index.ts'
import { Admission, cardLimits, decodeCard, encodeCard, type MemberCard } from './card.ts'

const [one, other] = [createIdentity().id, createIdentity().id]
const admission = new Admission('test', 'join_secret')

test('a card comes out as it went in, and proves admission', () => {
  const cards: MemberCard[] = [
    { role: 'node', addresses: [], relays: [one, other] },
    { role: 'node', addresses: [], relays: [], region: 'europa-süd' },
    { role: 'gateway', addresses: ['[::1]:7400', 'node-3.example.org:65535'], relays: [] },
  ]
  for (const card of cards) {
    const payload = encodeCard(card, admission.proofFor(one))
    assert.deepEqual(decodeCard(payload), card)
    assert.ok(admission.admits(one, payload))
    assert.ok(!admission.admits(other, payload))
    assert.ok(!new Admission('test', 'join_other').admits(one, payload))
    assert.ok(!new Admission('other', 'join_secret').admits(one, payload))
  }
})

test('the longest card fits into a payload', () => {
  const address = `${'a'.repeat(cardLimits.addressBytesMax - 6)}:12345`
  const card: MemberCard = {
    role: 'node',
    addresses: new Array(5).fill(address),
    relays: [one, other, one],
    region: 'é'.repeat(cardLimits.regionBytesMax),
  }
  const payload = encodeCard(card, admission.proofFor(one))
  assert.ok(payload.length <= messageLimits.payloadBytesMax)
  assert.deepEqual(decodeCard(payload)?.addresses, [address, address])
})

test('whatever the bytes are, a card is within its limits or none', () => {
  const card: MemberCard = { role: 'node', addresses: ['a.b:1', 'c.d:2'], relays: [one] }
  const payload = encodeCard(card, admission.proofFor(one))
  for (let length = 0; length < payload.length; length += 1) {
    assert.equal(decodeCard(payload.subarray(0, length)), undefined)
  }
  const change = fc.record({ at: fc.nat(payload.length - 1), value: fc.nat(255) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), (changes) => {
      const bytes = payload.slice()
      for (const { at, value } of changes) bytes[at] = value
      const decoded = decodeCard(bytes)
      const addresses = decoded?.addresses ?? []
      assert.ok(addresses.length <= cardLimits.addressesMax)
      for (const address of addresses) assert.ok(/^[!-~]+:\d+$/.test(address))
      assert.ok((decoded?.relays.length ?? 0) <= cardLimits.relaysMax)
    }),
  )
})
