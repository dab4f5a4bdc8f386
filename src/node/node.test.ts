/**
 * A node joins, reports, serves and leaves; and what a hostile or unlucky peer does not achieve.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { ManualClock, seededRandom, systemClock } from '../base/index.ts'
import {
  ceilingOf,
  createIdentity,
  decodeGenerateCall,
  decodeGenerationRequest,
  type ErrorCode,
  encodeEmbedCall,
  encodeEmbeddingRequest,
  hashBody,
  IsochroneError,
  methods,
  NonceStore,
  OutputTally,
  receiptHash,
  resultHash,
  signEnvelope,
  verifyEnvelope,
  verifyNodeRecord,
} from '../protocol/index.ts'
import { callUnary, MemoryNetwork, openCall } from '../transport/index.ts'
import {
  callGenerate,
  countingModel,
  countingRequest,
  createTestNode,
  network,
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

describe('joining', () => {
  test('a node shows its token and a signed record, and is joined', async () => {
    await worker.node.start()
    const [join] = gateway.joins
    assert.ok(join !== undefined)
    const { bytes, signature } = join.record
    const record = verifyNodeRecord(bytes, signature, systemClock.now())
    assert.equal(record.id, worker.identity.id)
    assert.equal(record.region, 'test-region')
    assert.equal(record.models[0]?.decodeTokensPerSecond, 10)
    assert.deepEqual(worker.node.joined(), [gateway.identity.id])
  })

  test('a wrong token, another network, a wrong key: a refusal that says what to do', async () => {
    const wrongToken = createTestNode(memory, gateway, { token: 'join_wrong' })
    await assert.rejects(wrongToken.node.start(), refusedWith('join_refused'))
    await wrongToken.node.close()

    gateway.networkTold = 'other'
    const elsewhere = createTestNode(memory, gateway)
    await assert.rejects(elsewhere.node.start(), (error: Error) => {
      assert.match(error.message, /"other".*--network other/)
      return refusedWith('join_refused')(error)
    })
    await elsewhere.node.close()

    const expected = { id: createIdentity().id, address: gateway.address }
    const pinned = createTestNode(memory, gateway, { gateways: [expected] })
    await assert.rejects(pinned.node.start(), refusedWith('identity_mismatch'))
    await pinned.node.close()
  })

  test('a gateway is trusted on first use, and refused once its key changed', async () => {
    await worker.node.start()
    assert.equal(worker.known.get(gateway.address), gateway.identity.id)
    await gateway.transport.close()
    const impostor = new TestGateway(memory)
    await impostor.listen(gateway.address)
    const { known } = worker
    const returning = createTestNode(memory, impostor, { known })
    await assert.rejects(returning.node.start(), (error: Error) => {
      assert.match(error.message, /another key than when it was first met.*--join NEW_ID@/s)
      return refusedWith('identity_mismatch')(error)
    })
    assert.equal(impostor.joins.length, 0)
    await returning.node.close()
    await impostor.transport.close()
  })

  test('a gateway that is not there yet is tried again until it is', async () => {
    await gateway.transport.close()
    const limits = { reconnectFirstMs: 1, reconnectMaxMs: 2 }
    const early = createTestNode(memory, gateway, { limits })
    const started = early.node.start()
    const late = new TestGateway(memory, gateway.identity)
    await late.listen(gateway.address)
    await started
    assert.equal(late.joins.length, 1)
    await early.node.close()
    await late.transport.close()
  })

  test('a node whose connection is lost joins again, with a record that is not older', async () => {
    const limits = { reconnectFirstMs: 1, reconnectMaxMs: 2 }
    const returning = createTestNode(memory, gateway, { limits })
    await returning.node.start()
    const again = new Promise<void>((resolve) => {
      gateway.onJoin = resolve
    })
    await gateway.connection.close()
    await again
    const sequences = gateway.joins.map(({ record }) => record.record.sequence)
    assert.ok((sequences[1] ?? 0) >= (sequences[0] ?? 0), String(sequences))
    await returning.node.close()
  })
})

describe('reporting', () => {
  test('a change of load is told without waiting for the heartbeat', async () => {
    await worker.node.start()
    const busy = new Promise<void>((resolve) => {
      gateway.onReport = () => {
        if (gateway.reports.some(({ load }) => load.running === 1)) resolve()
      }
    })
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    worker.engine.step = () => held
    const message = signedCall(gateway, worker.node.id)
    const answer = callGenerate(gateway.connection, message)
    await busy
    release()
    await answer
  })

  test('new models come with a new record of a higher sequence', async () => {
    gateway.heartbeatMs = 250
    await worker.node.start()
    const told = new Promise<void>((resolve) => {
      gateway.onReport = () => {
        if (gateway.reports.some(({ record }) => record !== null)) resolve()
      }
    })
    worker.engine.offered = [countingModel, { ...countingModel, name: 'second' }]
    await told
    const record = gateway.reports.find((report) => report.record !== null)?.record
    assert.ok(record != null)
    assert.equal(
      verifyNodeRecord(record.bytes, record.signature, systemClock.now()).models.length,
      2,
    )
    assert.ok(record.record.sequence > (gateway.joins[0]?.record.record.sequence ?? 0))
  })

  test('a record is signed anew after half of its life', async () => {
    const clock = new ManualClock()
    const { node } = createTestNode(memory, gateway, { clock })
    const first = node.record()
    clock.advance(299_000)
    assert.equal(node.record().sequence, first.sequence)
    clock.advance(2_000)
    const second = node.record()
    assert.ok(second.sequence > first.sequence)
    assert.ok(second.expiresAtMs > first.expiresAtMs)
    await node.close()
  })
})

describe('serving', () => {
  beforeEach(() => worker.node.start())

  test('an answer ends with a signed result over exactly what was asked and sent', async () => {
    const message = signedCall(gateway, worker.node.id)
    const { events, result } = await callGenerate(gateway.connection, message)
    assert.ok(result !== undefined)
    const { body, envelope: asked } = decodeGenerateCall(message)
    const tally = new OutputTally(decodeGenerationRequest(body), body.length)
    tally.add(events)
    verifyEnvelope(result, {
      expectedDomain: 'result',
      network,
      self: gateway.identity.id,
      peer: worker.node.id,
      bodyHash: resultHash(asked.envelope, receiptHash(tally.receipt())),
      now: systemClock.now(),
      nonces: new NonceStore({ entriesMax: 10, clock: systemClock }),
    })
  })

  test('what its engine counts and nobody sees is not billed', async () => {
    worker.engine.hiddenTokens = 10_000
    const message = signedCall(gateway, worker.node.id)
    const { events, result } = await callGenerate(gateway.connection, message)
    const { body, envelope: asked } = decodeGenerateCall(message)
    const tally = new OutputTally(decodeGenerationRequest(body), body.length)
    tally.add(events)
    const receipt = tally.receipt()
    assert.equal(receipt.bill.completionTokens, 3)
    assert.deepEqual(ceilingOf(receipt.work).completionTokens, 3)
    const signed = resultHash(asked.envelope, receiptHash(receipt))
    assert.deepEqual(result?.envelope.bodyHash, signed)
  })

  test('answers that end together share a signature, and each can be checked alone', async () => {
    const messages = Array.from({ length: 4 }, () => signedCall(gateway, worker.node.id))
    const answers = await Promise.all(
      messages.map((message) => callGenerate(gateway.connection, message)),
    )
    const signatures = answers.map(({ result }) => result?.signature.join())
    assert.equal(new Set(signatures).size, 1)
    assert.deepEqual(
      answers.map(({ result }) => result?.inclusion?.treeSize),
      [4, 4, 4, 4],
    )
    for (const [i, { events, result }] of answers.entries()) {
      assert.ok(result !== undefined)
      const { body, envelope: asked } = decodeGenerateCall(messages[i] ?? new Uint8Array(0))
      const tally = new OutputTally(decodeGenerationRequest(body), body.length)
      tally.add(events)
      verifyEnvelope(result, {
        expectedDomain: 'result',
        network,
        self: gateway.identity.id,
        peer: worker.node.id,
        bodyHash: resultHash(asked.envelope, receiptHash(tally.receipt())),
        now: systemClock.now(),
        nonces: new NonceStore({ entriesMax: 10, clock: systemClock }),
      })
    }
  })

  test('what does not fit is refused with the reason as its code', async () => {
    const refusals: readonly (readonly [ErrorCode, Parameters<typeof countingRequest>[0]])[] = [
      ['model_not_found', { model: 'other' }],
      ['capability_missing', { tools: [{ type: 'function', function: { name: 'f' } }] }],
      ['capability_missing', { responseFormat: { type: 'json_object' } }],
      ['capability_missing', { topLogprobs: 3 }],
      ['context_length_exceeded', { maxTokens: 5000 }],
    ]
    for (const [code, changes] of refusals) {
      const message = signedCall(gateway, worker.node.id, {
        request: countingRequest(changes),
      })
      await assert.rejects(callGenerate(gateway.connection, message), refusedWith(code))
    }
    await assertServes()
  })

  test('embeddings are refused by a model without them', async () => {
    const { model, modelDigest, requestId } = countingRequest()
    const embedding = { kind: 'embedding', requestId, model, modelDigest } as const
    const body = encodeEmbeddingRequest({ ...embedding, input: ['a'], dimensions: null })
    const now = systemClock.now()
    const envelope = signEnvelope(gateway.identity, {
      domain: 'request',
      network,
      recipient: worker.node.id,
      bodyHash: hashBody(body),
      nonce: seededRandom(3).bytes(16),
      issuedAtMs: now,
      expiresAtMs: now + 1000,
      modelDigest: null,
    })
    const message = encodeEmbedCall({ envelope, body })
    const call = callUnary(gateway.connection, methods.embed, message)
    await assert.rejects(call, refusedWith('capability_missing'))
  })

  test('more work than a node takes is refused as busy', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    worker.engine.step = () => held
    const send = () => callGenerate(gateway.connection, signedCall(gateway, worker.node.id))
    const accepted = Array.from({ length: countingModel.slots * 4 }, send)
    await assert.rejects(send(), refusedWith('all_nodes_busy'))
    release()
    await Promise.all(accepted)
  })

  test('a caller who cancels stops the engine', async () => {
    const stopped = new Promise<void>((resolve) => {
      worker.engine.step = () => {
        resolve()
        return new Promise(() => {})
      }
    })
    const call = await openCall(gateway.connection, methods.generate)
    await call.send(signedCall(gateway, worker.node.id))
    await call.end()
    await stopped
    const idle = new Promise<void>((resolve) => {
      gateway.onReport = () => {
        if (worker.engine.cancelled === 1) resolve()
      }
    })
    call.cancel()
    await idle
    assert.equal(worker.engine.running, 0)
  })

  test('a caller who reads nothing holds the engine back', async () => {
    const call = await openCall(gateway.connection, methods.generate)
    const many = countingRequest({ maxTokens: 900 })
    worker.engine.offered = [{ ...countingModel, name: 'counting' }]
    await call.send(signedCall(gateway, worker.node.id, { request: many }))
    await call.end()
    const batches = call.responses()[Symbol.asyncIterator]()
    await batches.next()
    await batches.return?.()
    await assertServes()
  })
})

describe('leaving', () => {
  beforeEach(() => worker.node.start())

  test('draining finishes what runs, refuses what is new, and tells the gateway', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const begun = new Promise<void>((resolve) => {
      worker.engine.step = () => {
        resolve()
        return held
      }
    })
    const send = () => callGenerate(gateway.connection, signedCall(gateway, worker.node.id))
    const running = send()
    await begun
    const told = new Promise<void>((resolve) => {
      gateway.onReport = () => {
        if (gateway.reports.some(({ load }) => load.draining)) resolve()
      }
    })
    const drained = worker.node.drain()
    await told
    await assert.rejects(send(), refusedWith('node_draining'))
    release()
    const { result } = await running
    assert.ok(result !== undefined)
    await drained
    assert.deepEqual(worker.node.joined(), [])
  })

  test('what does not end within the limit is cancelled', async () => {
    const impatient = createTestNode(memory, gateway, { limits: { drainLimitMs: 1 } })
    await impatient.node.start()
    const begun = new Promise<void>((resolve) => {
      impatient.engine.step = () => {
        resolve()
        return new Promise(() => {})
      }
    })
    const message = signedCall(gateway, impatient.node.id)
    const answer = callGenerate(gateway.connection, message)
    const failed = assert.rejects(answer, IsochroneError)
    await begun
    await impatient.node.drain()
    await failed
  })
})
