/** What a gateway accepts as the signed result of what it asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom, systemTurn } from '../../base/index.ts'
import {
  createIdentity,
  type Envelope,
  type ErrorCode,
  hasCode,
  type Identity,
  modelDigestOf,
  resultHash,
  type SignedEnvelope,
  signEnvelope,
} from '../../protocol/index.ts'
import { SignedCalls } from './signed-calls.ts'

const output = new Uint8Array(32).fill(5)
const digest = modelDigestOf('ab'.repeat(32))
const body = Buffer.from('a request')

function setUp() {
  const clock = new ManualClock()
  const random = seededRandom(1)
  const identity = createIdentity()
  const limits = { envelopeLifeMs: 1_000, noncesMax: 8, noncesPerNodeMax: 4, workersMax: 4 }
  const calls = new SignedCalls(
    { network: 'test', ...limits },
    { identity, clock, random, turn: systemTurn },
  )
  const answer = (node: Identity, asked: SignedEnvelope, more: Partial<Envelope> = {}) =>
    signEnvelope(node, {
      domain: 'result',
      network: 'test',
      recipient: identity.id,
      bodyHash: resultHash(asked.envelope, output),
      nonce: random.bytes(16),
      issuedAtMs: clock.now(),
      expiresAtMs: clock.now() + 60_000,
      modelDigest: asked.envelope.modelDigest,
      ...more,
    })
  return { calls, answer, clock }
}

function assertRefused(check: () => void, code: ErrorCode): void {
  assert.throws(check, (error) => {
    assert.ok(hasCode(error, code), String(error))
    return true
  })
}

test('a result counts once, for its own request, answer and model', async () => {
  const { calls, answer } = setUp()
  const node = createIdentity()
  const asked = await calls.request(node.id, body, digest)
  const other = await calls.request(node.id, Buffer.from('another request'), digest)
  const result = answer(node, asked)
  assertRefused(() => calls.checkResult(result, other, { hash: output }), 'invalid_signature')
  assertRefused(
    () => calls.checkResult(result, asked, { hash: new Uint8Array(32) }),
    'invalid_signature',
  )
  const wrongModel = answer(node, asked, { modelDigest: modelDigestOf('cd'.repeat(32)) })
  assertRefused(() => calls.checkResult(wrongModel, asked, { hash: output }), 'invalid_signature')
  const stranger = answer(createIdentity(), asked)
  assertRefused(() => calls.checkResult(stranger, asked, { hash: output }), 'identity_mismatch')
  calls.checkResult(result, asked, { hash: output })
  assertRefused(() => calls.checkResult(result, asked, { hash: output }), 'envelope_replayed')
})

test('how slowly its reader reads makes no result late', async () => {
  const { calls, answer, clock } = setUp()
  const node = createIdentity()
  const asked = await calls.request(node.id, body, digest)
  const result = answer(node, asked)
  const early = answer(node, asked, { issuedAtMs: clock.now() + 400_000 })
  clock.advance(200_000)
  const late = () => calls.checkResult(result, asked, { hash: output, heldUpMs: 100_000 })
  assertRefused(late, 'envelope_expired')
  const hasty = () => calls.checkResult(early, asked, { hash: output, heldUpMs: 900_000 })
  assertRefused(hasty, 'envelope_expired')
  calls.checkResult(result, asked, { hash: output, heldUpMs: 150_000 })
  const again = () => calls.checkResult(result, asked, { hash: output, heldUpMs: 900_000 })
  assertRefused(again, 'envelope_replayed')
})

test('requests of one turn share a signature, to whichever nodes they go', async () => {
  const { calls } = setUp()
  const nodes = [createIdentity(), createIdentity(), createIdentity()]
  const asked = await Promise.all(nodes.map(({ id }) => calls.request(id, body, digest)))
  assert.deepEqual(
    asked.map(({ inclusion }) => [inclusion?.index, inclusion?.treeSize]),
    [0, 1, 2].map((index) => [index, nodes.length]),
  )
  assert.equal(new Set(asked.map(({ signature }) => signature.join())).size, 1)
  const alone = await calls.request(createIdentity().id, body, digest)
  assert.equal(alone.inclusion, null)
})

test('where the gateway knows no digest, a node may name the one that it has', async () => {
  const { calls, answer } = setUp()
  const node = createIdentity()
  const asked = await calls.request(node.id, body, null)
  calls.checkResult(answer(node, asked, { modelDigest: digest }), asked, { hash: output })
})

test('a node that uses up its share of nonces shuts out nobody but itself', async () => {
  const { calls, answer } = setUp()
  const [greedy, modest] = [createIdentity(), createIdentity()]
  const from = async (node: Identity) => {
    const asked = await calls.request(node.id, body, null)
    calls.checkResult(answer(node, asked), asked, { hash: output })
  }
  for (let i = 0; i < 4; i += 1) await from(greedy)
  await assert.rejects(from(greedy), (error) => hasCode(error, 'all_nodes_busy'))
  for (let i = 0; i < 4; i += 1) await from(modest)
})
