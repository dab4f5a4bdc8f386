import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { attestation } from '../attestation.fixture.ts'
import {
  decodeAttestation,
  decodeAttestationAsk,
  encodeAttestation,
  encodeAttestationAsk,
} from '../attestation.ts'
import { hasCode, IsochroneError } from '../errors.ts'
import { createIdentity } from '../identity.ts'
import * as load from '../load.fixture.ts'
import * as notices from '../notices.fixture.ts'
import * as fixture from '../protocol.fixture.ts'
import { signNodeRecord } from '../signed-node-record.ts'
import { decodeAttestReply, encodeAttestReply } from './attest-reply.ts'
import { decodeClusterDigest, encodeClusterDigest } from './cluster-digest.ts'
import { decodeEmbedReply, encodeEmbedReply } from './embed-reply.ts'
import { decodeExperience, encodeExperience } from './experience.ts'
import { decodeGenerateReply, encodeGenerateReply } from './generate-reply.ts'
import { decodeJoin, decodeJoinReply, encodeJoin, encodeJoinReply } from './join.ts'
import { messageLimits } from './limits.ts'
import { decodeLoadAnchor, encodeLoadAnchor } from './load-anchor.ts'
import { decodeLoadMessage, encodeLoadMessage } from './load-message.ts'
import { decodeMeshPacket, encodeMeshPacket } from './mesh-packet.ts'
import { decodeNeighbourhoodMessage, encodeNeighbourhoodMessage } from './neighbourhood-message.ts'
import { decodeNodeRecord, encodeNodeRecord } from './node-record.ts'
import { decodeReport, decodeReportAck, encodeReport, encodeReportAck } from './report.ts'
import {
  decodeEmbeddingRequest,
  decodeGenerationRequest,
  encodeEmbeddingRequest,
  encodeGenerationRequest,
} from './request.ts'
import {
  decodeAttestCall,
  decodeEmbedCall,
  decodeGenerateCall,
  encodeAttestCall,
  encodeEmbedCall,
  encodeGenerateCall,
} from './signed-call.ts'

interface Codec<T> {
  readonly value: fc.Arbitrary<T>
  readonly encode: (value: T) => Uint8Array
  readonly decode: (bytes: Uint8Array) => T
}

const identity = createIdentity()
const signedRecord = fixture.nodeRecord.map((record) =>
  signNodeRecord(identity, { ...record, id: identity.id }),
)
const count = fc.integer({ min: 0, max: 0xffffffff })
const float32 = fc.float({ min: 0, max: 1e6, noNaN: true })
const signedCall = fc.record({ envelope: fixture.signedEnvelope, body: fc.uint8Array() })

const codecs = {
  Join: codec({
    value: fc.record({ token: fc.string({ maxLength: 40 }), record: signedRecord }),
    encode: encodeJoin,
    decode: decodeJoin,
  }),
  JoinReply: codec({
    value: fc.record({
      network: fc.string({ maxLength: 20 }),
      gateway: fixture.nodeId,
      heartbeatMs: count,
    }),
    encode: encodeJoinReply,
    decode: decodeJoinReply,
  }),
  Report: codec({
    value: fc.record({
      load: fc.record(
        {
          running: count,
          waiting: count,
          kvTokensFree: fc.maxSafeNat(),
          promptTokensUnread: fc.nat(),
          draining: fc.boolean(),
        },
        { requiredKeys: ['running', 'waiting', 'kvTokensFree', 'draining'] },
      ),
      record: fc.option(signedRecord),
      links: fc.array(
        fc.record({
          peer: fixture.nodeId,
          medianMs: float32,
          p95Ms: float32,
          jitterMs: float32,
          loss: float32,
        }),
        { maxLength: 64 },
      ),
    }),
    encode: encodeReport,
    decode: decodeReport,
  }),
  ReportAck: codec({
    value: fc.constant({}),
    encode: encodeReportAck,
    decode: decodeReportAck,
  }),
  NodeRecord: codec({
    value: fixture.nodeRecord,
    encode: encodeNodeRecord,
    decode: decodeNodeRecord,
  }),
  LoadAnchor: codec({
    value: load.loadAnchor,
    encode: encodeLoadAnchor,
    decode: decodeLoadAnchor,
  }),
  ClusterDigest: codec({
    value: load.clusterDigest,
    encode: encodeClusterDigest,
    decode: decodeClusterDigest,
  }),
  LoadMessage: codec({
    value: load.loadMessage,
    encode: encodeLoadMessage,
    decode: decodeLoadMessage,
  }),
  GenerateCall: codec({
    value: signedCall,
    encode: encodeGenerateCall,
    decode: decodeGenerateCall,
  }),
  EmbedCall: codec({ value: signedCall, encode: encodeEmbedCall, decode: decodeEmbedCall }),
  AttestCall: codec({ value: signedCall, encode: encodeAttestCall, decode: decodeAttestCall }),
  AttestReply: codec({
    value: fc.record({ statement: fc.uint8Array(), result: fixture.signedEnvelope }),
    encode: encodeAttestReply,
    decode: decodeAttestReply,
  }),
  Attestation: codec({
    value: attestation,
    encode: encodeAttestation,
    decode: decodeAttestation,
  }),
  AttestationAsk: codec({
    value: fc.record({ models: fc.array(fc.string(), { maxLength: 8 }) }),
    encode: encodeAttestationAsk,
    decode: decodeAttestationAsk,
  }),
  GenerateReply: codec({
    value: fc.oneof(
      fc.record({
        type: fc.constant('events' as const),
        events: fc.array(fixture.generationEvent, { maxLength: 5 }),
      }),
      fc.record({ type: fc.constant('result' as const), result: fixture.signedEnvelope }),
    ),
    encode: encodeGenerateReply,
    decode: decodeGenerateReply,
  }),
  EmbedReply: codec({
    value: fc.record({
      vectors: fc.tuple(fc.nat(4), fc.nat(8)).chain(([rows, dimensions]) => {
        const number = fc.float({ noNaN: true, noDefaultInfinity: true })
        const row = fc.array(number, { minLength: dimensions, maxLength: dimensions })
        const vector = row.map((values) => Float32Array.from(values))
        return fc.array(vector, { minLength: rows, maxLength: rows })
      }),
      promptTokens: count,
      result: fixture.signedEnvelope,
    }),
    encode: encodeEmbedReply,
    decode: decodeEmbedReply,
  }),
  GenerationRequest: codec({
    value: fixture.generationRequest,
    encode: encodeGenerationRequest,
    decode: decodeGenerationRequest,
  }),
  NeighbourhoodMessage: codec({
    value: fixture.neighbourhoodMessage,
    encode: encodeNeighbourhoodMessage,
    decode: decodeNeighbourhoodMessage,
  }),
  MeshPacket: codec({
    value: fc.record({
      cluster: fc.string({ maxLength: 16 }),
      membership: fc.array(fixture.membershipMessage, { maxLength: 3 }),
      neighbourhood: fc.array(fixture.neighbourhoodMessage, { maxLength: 2 }),
      relayed: fc.option(fixture.relayedPacket),
      coordinate: fc.option(fixture.bytes(32)),
      load: fc.array(load.loadMessage, { maxLength: 2 }),
      notices: fc.option(notices.noticeMessage),
    }),
    encode: encodeMeshPacket,
    decode: decodeMeshPacket,
  }),
  Experience: codec({
    value: notices.experience,
    encode: encodeExperience,
    decode: decodeExperience,
  }),
  EmbeddingRequest: codec({
    value: fixture.embeddingRequest,
    encode: encodeEmbeddingRequest,
    decode: decodeEmbeddingRequest,
  }),
}

for (const [name, { value, encode, decode }] of Object.entries(codecs)) {
  test(`${name} comes out as it went in`, () => {
    fc.assert(
      fc.property(value, (original) => {
        assert.deepEqual(plain(decode(encode(original))), plain(original))
      }),
    )
  })

  test(`${name}, cut off anywhere, is refused or a value`, () => {
    fc.assert(
      fc.property(value, fc.double({ min: 0, max: 0.999, noNaN: true }), (original, share) => {
        const bytes = encode(original)
        decodeOrRefuse(decode, bytes.slice(0, Math.floor(bytes.length * share)))
      }),
    )
  })

  test(`${name} with changed bytes is refused or a value`, () => {
    const change = fc.record({
      at: fc.nat(1_000_000),
      value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
    })
    const changes = fc.array(change, { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(value, changes, (original, list) => {
        const bytes = encode(original).slice()
        for (const { at, value } of list) bytes[at % bytes.length] = value
        decodeOrRefuse(decode, bytes)
      }),
      { numRuns: 500 },
    )
  })

  test(`${name} of arbitrary bytes is refused or a value`, () => {
    // Small numbers make offsets that stay inside, which random bytes hardly ever do.
    const small = fc.array(fc.oneof(fc.nat(24), fc.nat(255)), { maxLength: 80 })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), small), (bytes) => {
        decodeOrRefuse(decode, Uint8Array.from(bytes))
      }),
      { numRuns: 500 },
    )
  })

  test(`${name} over the limit is refused before it is looked at`, () => {
    const bytes = new Uint8Array(messageLimits.messageBytesMax + 1)
    assert.throws(
      () => decode(bytes),
      (error) => hasCode(error, 'message_too_large') || hasCode(error, 'malformed_message'),
    )
  })
}

test('a message that would be over the limit is not sent', () => {
  const text = 'x'.repeat(messageLimits.messageBytesMax)
  const delta = { type: 'delta' as const, choice: 0, text, tokenIds: [], logprobs: [], extra: null }
  assert.throws(
    () => encodeGenerateReply({ type: 'events', events: [delta] }),
    (error) => hasCode(error, 'message_too_large'),
  )
  // The next one is none the worse for it.
  const reply = { type: 'events' as const, events: [{ ...delta, text: 'y' }] }
  assert.deepEqual(decodeGenerateReply(encodeGenerateReply(reply)), reply)
})

test('a byte order mark in a text stays there', () => {
  const text = '\ufeffLima\ufeff'
  const delta = { type: 'delta' as const, choice: 0, text, tokenIds: [], logprobs: [], extra: null }
  const reply = { type: 'events' as const, events: [delta] }
  assert.deepEqual(decodeGenerateReply(encodeGenerateReply(reply)), reply)
})

test('what is not UTF-8 is refused', () => {
  const bytes = encodeJoinReply({
    network: 'netname',
    gateway: identity.id,
    heartbeatMs: 1,
  }).slice()
  const at = Buffer.from(bytes).indexOf('netname')
  for (const wrong of [0xff, 0xc0, 0xed]) {
    bytes[at] = wrong
    assert.throws(
      () => decodeJoinReply(bytes),
      (error) => hasCode(error, 'malformed_message'),
    )
  }
})

test('a message reads the same wherever it lies in memory', () => {
  fc.assert(
    fc.property(codecs.EmbedReply.value, fc.nat(9), (original, offset) => {
      const bytes = codecs.EmbedReply.encode(original)
      const memory = new Uint8Array(bytes.length + offset)
      memory.set(bytes, offset)
      const decoded = codecs.EmbedReply.decode(memory.subarray(offset))
      assert.deepEqual(plain(decoded), plain(original))
    }),
  )
})

test('a packet of the mesh with more statements than any member has is refused', () => {
  const [said] = fc.sample(fixture.statement, { numRuns: 1, seed: 1 })
  assert.ok(said !== undefined)
  const packetOf = (length: number) =>
    encodeMeshPacket({
      cluster: '',
      membership: [{ kind: 'gossip', news: Array(length).fill(said) }],
      neighbourhood: [],
      relayed: null,
      coordinate: null,
      load: [],
      notices: null,
    })
  assert.equal(decodeMeshPacket(packetOf(64)).membership[0]?.news.length, 64)
  assert.throws(
    () => decodeMeshPacket(packetOf(messageLimits.statementsMax + 1)),
    (error) => hasCode(error, 'malformed_message'),
  )
})

test('vectors are read in place', () => {
  const result = fc.sample(fixture.signedEnvelope, { numRuns: 1, seed: 1 })[0]
  assert.ok(result !== undefined)
  const vectors = [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)]
  const bytes = encodeEmbedReply({ vectors, promptTokens: 2, result })
  const decoded = decodeEmbedReply(bytes)
  assert.equal(decoded.vectors[1]?.buffer, bytes.buffer)
})

test('a message of a newer program, with fields that are not known here, is read', () => {
  // To a reader that knows a table without fields, a report is one with some that it does not know.
  const ack = decodeReportAck(
    encodeReport({
      load: { running: 1, waiting: 2, kvTokensFree: 3, draining: true },
      record: null,
      links: [],
    }),
  )
  assert.deepEqual(ack, {})
})

test('encoding writes into memory of its own', () => {
  const encode = (heartbeatMs: number) =>
    encodeJoinReply({ network: 'a', gateway: identity.id, heartbeatMs })
  const first = encode(1)
  encode(2)
  assert.equal(decodeJoinReply(first).heartbeatMs, 1)
})

function codec<T>(of: Codec<T>): Codec<unknown> {
  return {
    value: of.value,
    encode: (value) => of.encode(value as T),
    decode: of.decode,
  }
}

/** The codec's promise: a value, or one of two errors. */
function decodeOrRefuse(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes)
  } catch (error) {
    assert.ok(error instanceof IsochroneError, `another error: ${String(error)}`)
    assert.ok(['malformed_message', 'message_too_large'].includes(error.code), error.code)
  }
}

/** Compares objects by their own fields alone, whatever made them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array || value instanceof Float32Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([key, item]) => [key, plain(item)])
}
