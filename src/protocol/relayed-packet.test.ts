import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIdentity } from './identity.ts'
import { isRelayedPacketValid, signRelayedPacket } from './relayed-packet.ts'

const [sender, recipient] = [createIdentity(), createIdentity()]
const context = { scope: 'test', now: 1_700_000_000_000, ageMaxMs: 30_000 }
const packet = Uint8Array.of(1, 2, 3)

test('a relayed packet is its sender’s, in its scope, for a short time', () => {
  const relayed = signRelayedPacket(sender, { recipient: recipient.id, packet }, context)
  assert.ok(isRelayedPacketValid(relayed, context))
  const wrong = [
    { ...relayed, sender: recipient.id },
    { ...relayed, recipient: sender.id },
    { ...relayed, packet: Uint8Array.of(1, 2, 4) },
    { ...relayed, issuedAtMs: relayed.issuedAtMs + 1 },
  ]
  for (const other of wrong) assert.ok(!isRelayedPacketValid(other, context))
  assert.ok(!isRelayedPacketValid(relayed, { ...context, scope: 'other' }))
  assert.ok(!isRelayedPacketValid(relayed, { ...context, now: context.now + 3_600_000 }))
  assert.ok(!isRelayedPacketValid(relayed, { ...context, now: context.now - 3_600_000 }))
})
