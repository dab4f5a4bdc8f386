/** What a hostile peer does not achieve: a typed refusal each time, and the node stays up. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { seededRandom, systemClock } from '../base/index.ts'
import {
  createIdentity,
  decodeEmbedCall,
  decodeEmbeddingRequest,
  decodeEmbedReply,
  type ErrorCode,
  embeddingReceipt,
  hasCode,
  IsochroneError,
  type Method,
  methods,
  modelDigestOf,
  receiptHash,
  resultHash,
  usageLimits,
} from '../protocol/index.ts'
import { callUnary, MemoryNetwork, openCall } from '../transport/index.ts'
import {
  callGenerate,
  countingModel,
  countingRequest,
  createTestNode,
  signedCall,
  signedEmbedCall,
  TestGateway,
  type TestNode,
} from './node.fixture.ts'

let memory: MemoryNetwork
let gateway: TestGateway
let worker: TestNode

beforeEach(async () => {
  memory = new MemoryNetwork({ clock: systemClock, random: seededRandom(1) })
  gateway = new TestGateway(memory)
  await gateway.listen()
  worker = createTestNode(memory, gateway)
})

afterEach(async () => {
  await worker.node.close()
  await gateway.transport.close()
})

const refusedWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof IsochroneError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

/** Still there and still right: what every hostile call must leave behind. */
async function assertServes(): Promise<void> {
  const message = signedCall(gateway, worker.node.id)
  const { events, result } = await callGenerate(gateway.connection, message)
  const text = events.map((event) => (event.type === 'delta' ? event.text : '')).join('')
  assert.equal(text, '1 2 3 ')
  assert.ok(result !== undefined)
}

/** The call is refused by name, and no message comes before that. */
async function assertSilence(
  message: Uint8Array,
  code: ErrorCode,
  method: Method = methods.generate,
): Promise<void> {
  const call = await openCall(gateway.connection, method)
  await call.send(message)
  await call.end()
  const heard: Uint8Array[] = []
  const read = async () => {
    for await (const batch of call.responses()) heard.push(...batch)
  }
  await assert.rejects(read(), refusedWith(code))
  assert.deepEqual(heard, [])
}

describe('hostile calls', () => {
  beforeEach(() => worker.node.start())

  test('a replayed, expired, misdirected or misattributed request is refused by name', async () => {
    const once = signedCall(gateway, worker.node.id)
    await callGenerate(gateway.connection, once)
    const stranger = createIdentity()
    const sign = (changes: Parameters<typeof signedCall>[2]) =>
      signedCall(gateway, worker.node.id, changes)
    const attempts: readonly (readonly [ErrorCode, Uint8Array])[] = [
      ['envelope_replayed', once],
      ['envelope_expired', sign({ issuedAtMs: systemClock.now() - 3_600_000 })],
      ['identity_mismatch', sign({ signer: stranger })],
      ['identity_mismatch', sign({ recipient: stranger.id })],
      ['invalid_signature', sign({ body: new TextEncoder().encode('{}') })],
      ['invalid_signature', sign({ modelDigest: modelDigestOf('ab'.repeat(32)) })],
    ]
    for (const [code, message] of attempts) {
      await assert.rejects(callGenerate(gateway.connection, message), refusedWith(code))
    }
    await assertServes()
  })

  test('what is refused before its signature is looked at begins no work', async () => {
    const once = signedCall(gateway, worker.node.id)
    await callGenerate(gateway.connection, once)
    const sign = (changes: Parameters<typeof signedCall>[2]) =>
      signedCall(gateway, worker.node.id, changes)
    const attempts: readonly (readonly [ErrorCode, Uint8Array])[] = [
      ['envelope_replayed', once],
      ['envelope_expired', sign({ issuedAtMs: systemClock.now() - 3_600_000 })],
      ['identity_mismatch', sign({ signer: createIdentity() })],
      ['invalid_signature', sign({ body: new TextEncoder().encode('{}') })],
    ]
    for (const [code, message] of attempts) await assertSilence(message, code)
    assert.equal(worker.engine.begun, 1)
  })

  test('work under a forged signature is ended before anything of it is seen', async () => {
    const nonce = new Uint8Array(16).fill(3)
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const forged = signedCall(gateway, worker.node.id, { isForged: true, nonce })
      await assertSilence(forged, 'invalid_signature')
      const { begun, cancelled, running, pulled } = worker.engine
      assert.deepEqual([begun, cancelled, running, pulled], [attempt, attempt, 0, 0])
    }
    // A forgery uses up nobody's nonce.
    const { result } = await callGenerate(
      gateway.connection,
      signedCall(gateway, worker.node.id, { nonce }),
    )
    assert.ok(result !== undefined)
  })

  test('a forgery of a request that was served begins no work', async () => {
    const nonce = new Uint8Array(16).fill(3)
    await callGenerate(gateway.connection, signedCall(gateway, worker.node.id, { nonce }))
    const forged = signedCall(gateway, worker.node.id, { isForged: true, nonce })
    await assertSilence(forged, 'invalid_signature')
    assert.equal(worker.engine.begun, 1)
  })

  test('an engine that does not hear of the end is left', async () => {
    const { engine } = worker
    const hadSaid: string[] = []
    engine.generate = async function* () {
      try {
        hadSaid.push('all')
        yield []
        hadSaid.push('more')
      } finally {
        hadSaid.push('end')
      }
    }
    const forged = signedCall(gateway, worker.node.id, { isForged: true })
    await assertSilence(forged, 'invalid_signature')
    assert.deepEqual(hadSaid, ['all', 'end'])
  })

  test('of a forgery nothing else is said, whatever else is wrong with it', async () => {
    const request = countingRequest({ model: 'other' })
    const forged = signedCall(gateway, worker.node.id, { isForged: true, request })
    await assertSilence(forged, 'invalid_signature')
    const { engine } = worker
    engine.generate = () => {
      throw new IsochroneError('all_nodes_busy', 'no room')
    }
    await assertSilence(
      signedCall(gateway, worker.node.id, { isForged: true }),
      'invalid_signature',
    )
    await assertSilence(signedCall(gateway, worker.node.id), 'all_nodes_busy')
  })

  test('an embedding under a forged signature is ended and not answered', async () => {
    const { engine } = worker
    const heard: unknown[] = []
    engine.embed = (_request, signal) => {
      signal.addEventListener('abort', () => heard.push(signal.reason))
      return Promise.reject(new IsochroneError('engine_failed', 'nobody hears of it'))
    }
    engine.offered = [{ ...countingModel, features: ['embedding'] }]
    const forged = signedEmbedCall(gateway, worker.node.id, { isForged: true })
    await assertSilence(forged, 'invalid_signature', methods.embed)
    assert.equal(heard.length, 1)
    assert.ok(hasCode(heard[0], 'invalid_signature'))
    const sound = signedEmbedCall(gateway, worker.node.id, {})
    await assertSilence(sound, 'engine_failed', methods.embed)
  })

  test('what a server counts for an embedding is billed as far as it can be', async () => {
    const { engine } = worker
    engine.offered = [{ ...countingModel, features: ['embedding'] }]
    const vectors = [Float32Array.of(1)]
    for (const [counted, billed] of [
      [3, 3],
      [1_000_000, 'a text'.length + usageLimits.markTokensMax],
    ] as const) {
      engine.embed = async () => ({ vectors, promptTokens: counted }) as never
      const message = signedEmbedCall(gateway, worker.node.id, {})
      const reply = await callUnary(gateway.connection, methods.embed, message)
      const answer = decodeEmbedReply(reply)
      assert.equal(answer.promptTokens, billed)
      const { body, envelope } = decodeEmbedCall(message)
      const receipt = embeddingReceipt(decodeEmbeddingRequest(body), answer)
      const signed = resultHash(envelope.envelope, receiptHash(receipt))
      assert.deepEqual(answer.result.envelope.bodyHash, signed)
    }
  })

  test('a peer that the node did not join is not served, whatever it signs', async () => {
    const listening = createTestNode(memory, gateway, { listen: 'worker:5' })
    await listening.node.start()
    const stranger = new TestGateway(memory)
    const connection = await stranger.transport.dial('worker:5', listening.node.id)
    const message = signedCall(stranger, listening.node.id)
    await assert.rejects(callGenerate(connection, message), refusedWith('peer_unauthenticated'))
    await stranger.transport.close()
    await listening.node.close()
  })

  test('any truncation or change of a byte ends in a typed refusal', async () => {
    const sound = signedCall(gateway, worker.node.id)
    const damage = fc.oneof(
      fc.nat(sound.length - 1).map((length) => sound.slice(0, length)),
      fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, change]) => {
        const bytes = sound.slice()
        bytes[at] = (bytes[at] ?? 0) ^ change
        return bytes
      }),
      fc.uint8Array({ maxLength: 300 }),
    )
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        // Bytes that nothing depends on, such as padding, may change; once the sound message is
        // then known.
        const fault = await callGenerate(gateway.connection, bytes).then(
          () => undefined,
          (error: unknown) => error,
        )
        assert.ok(fault === undefined || fault instanceof IsochroneError)
        assert.ok(!hasCode(fault, 'internal'), String(fault))
      }),
      { numRuns: 150 },
    )
    await assertServes()
  })
})
