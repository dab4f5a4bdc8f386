/** What a hostile peer does not achieve: a typed refusal each time, and the node stays up. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { seededRandom, systemClock } from '../base/index.ts'
import {
  createIdentity,
  type ErrorCode,
  hasCode,
  IsochroneError,
  modelDigestOf,
} from '../protocol/index.ts'
import { MemoryNetwork } from '../transport/index.ts'
import {
  callGenerate,
  createTestNode,
  signedCall,
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
