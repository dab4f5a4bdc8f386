/** What a node says of itself when one of its gateways asks, and whom it does not answer. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ManualClock, secureRandom, systemClock } from '../base/index.ts'
import {
  attestationHash,
  decodeAttestation,
  decodeAttestReply,
  encodeAttestationAsk,
  encodeAttestCall,
  hasCode,
  hashBody,
  type Identity,
  type ModelDigest,
  methods,
  modelDigestOf,
  NonceStore,
  resultHash,
  signEnvelope,
  verifyEnvelope,
} from '../protocol/index.ts'
import { callUnary, MemoryNetwork } from '../transport/index.ts'
import { createTestNode, network, TestGateway } from './node.fixture.ts'
import { SelfChecks } from './self-check.ts'

async function place(context: TestContext) {
  const memory = new MemoryNetwork({ clock: systemClock, random: secureRandom })
  const gateway = new TestGateway(memory)
  await gateway.listen()
  const { node } = createTestNode(memory, gateway)
  await node.start()
  context.after(async () => {
    await node.close()
    await gateway.transport.close()
  })
  const body = encodeAttestationAsk({ models: ['counting', 'another'] })
  const asked = (signer: Identity = gateway.identity, modelDigest: ModelDigest | null = null) =>
    signEnvelope(signer, {
      domain: 'request',
      network,
      recipient: node.id,
      bodyHash: hashBody(body),
      nonce: secureRandom.bytes(16),
      issuedAtMs: systemClock.now(),
      expiresAtMs: systemClock.now() + 10_000,
      modelDigest,
    })
  const send = (envelope = asked()) =>
    callUnary(gateway.connection, methods.attest, encodeAttestCall({ envelope, body }))
  return { gateway, node, asked, send }
}

test('a node attests what it runs, bound to the nonce of whoever asked', async (t) => {
  const { asked, gateway, node, send } = await place(t)
  const envelope = asked()
  const { result, statement } = decodeAttestReply(await send(envelope))
  const check = (of: typeof envelope) =>
    verifyEnvelope(result, {
      expectedDomain: 'result',
      network,
      self: gateway.identity.id,
      peer: node.id,
      bodyHash: resultHash(of.envelope, attestationHash(statement)),
      now: systemClock.now(),
      nonces: new NonceStore({ entriesMax: 10, clock: systemClock }),
    })
  check(envelope)
  // Shown for another challenge it proves nothing.
  assert.throws(
    () => check(asked()),
    (error) => hasCode(error, 'invalid_signature'),
  )
  const { models, selfCheck, softwareVersion } = decodeAttestation(statement)
  assert.equal(softwareVersion, '0.0.0')
  assert.equal(selfCheck.integerExact, true)
  assert.ok(selfCheck.atMs >= envelope.envelope.issuedAtMs)
  const { digest, name, quantisation, runtime } = node.record().models[0] ?? {}
  assert.deepEqual(models, [{ name, digest, runtime, quantisation }])
})

test('it attests once for a challenge, and nobody else’s', async (t) => {
  const { asked, send } = await place(t)
  const envelope = asked()
  await send(envelope)
  await assert.rejects(send(envelope), (error) => hasCode(error, 'envelope_replayed'))
  const { identity: stranger } = new TestGateway(
    new MemoryNetwork({ clock: systemClock, random: secureRandom }),
  )
  await assert.rejects(send(asked(stranger)), (error) => hasCode(error, 'identity_mismatch'))
})

test('a challenge that names a model gets no signature: it would show another model', async (t) => {
  const { asked, gateway, send } = await place(t)
  const envelope = asked(gateway.identity, modelDigestOf('ab'.repeat(32)))
  await assert.rejects(send(envelope), (error) => hasCode(error, 'invalid_signature'))
})

test('a machine checks itself once a minute, whoever asks; a failed check is none', async () => {
  const clock = new ManualClock()
  let checks = 0
  let outcome = async () => true
  const own = new SelfChecks(clock, () => {
    checks += 1
    return outcome()
  })
  const first = await Promise.all([own.found(), own.found()])
  assert.deepEqual(first[0], { integerExact: true, atMs: clock.now() })
  clock.advance(59_999)
  assert.equal(await own.found(), first[0])
  assert.equal(checks, 1)
  clock.advance(1)
  outcome = () => Promise.reject(new Error('no back end'))
  assert.deepEqual(await own.found(), { integerExact: false, atMs: clock.now() })
  assert.equal(checks, 2)
})
