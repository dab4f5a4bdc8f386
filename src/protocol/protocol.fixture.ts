/** Arbitrary values of every kind that the protocol carries, for property-based tests. */
import fc from 'fast-check'
import type { Envelope, SignedEnvelope } from './envelope.ts'
import { envelopeLimits } from './envelope-limits.ts'
import type {
  EmbeddingRequest,
  GenerationEvent,
  GenerationRequest,
  JsonObject,
  TokenLogprob,
} from './generation.ts'
import { createIdentity, type Identity } from './identity.ts'
import { modelDigestOf, type NodeId, nodeIdOf, requestIdOf } from './ids.ts'
import type { MembershipMessage, Statement } from './membership.ts'
import { messageLimits } from './messages/limits.ts'
import type {
  NeighbourhoodMessage,
  SignedClusterRoster,
  SignedClusterStanding,
  SignedMeshCard,
} from './neighbourhood.ts'
import { nodeKeyOf } from './node-key.ts'
import { modelFeatures, type NodeRecord } from './node-record.ts'
import type { RelayedPacket } from './relayed-packet.ts'

/** Key pairs cost 50 µs each, and which one it is does not matter. */
export const identities: readonly Identity[] = [
  createIdentity(),
  createIdentity(),
  createIdentity(),
]

export const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Uint8Array.from(array))
export const text = fc.string({ unit: 'binary' }).map((string) => string.toWellFormed())
export const time = fc.integer({ min: 0, max: 2 ** 45 })
export const nodeId: fc.Arbitrary<NodeId> = bytes(32).map(nodeIdOf)
export const modelDigest = fc.option(
  bytes(32).map((digest) => modelDigestOf(Buffer.from(digest).toString('hex'))),
)
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const uint53 = fc.maxSafeNat()
const quantity = fc.double({ min: 0, max: messageLimits.quantityMax, noNaN: true })
/** As JSON brings it back: no −0. */
export const jsonObject: fc.Arbitrary<JsonObject> = fc
  .dictionary(text, fc.jsonValue({ maxDepth: 3 }))
  .map((object) => JSON.parse(JSON.stringify(object)))

export const envelope: fc.Arbitrary<Envelope> = fc.record({
  version: fc.constant(1 as const),
  domain: fc.constantFrom('request' as const, 'result' as const, 'record' as const),
  network: fc.string({ unit: 'grapheme', maxLength: 20 }).map((name) => name.toWellFormed()),
  sender: nodeId,
  recipient: fc.option(nodeId),
  bodyHash: bytes(32),
  nonce: bytes(16),
  issuedAtMs: time,
  expiresAtMs: time,
  modelDigest,
})

export const signedEnvelope: fc.Arbitrary<SignedEnvelope> = fc.record({
  envelope,
  signature: bytes(64),
  inclusion: fc.option(
    fc.record({
      index: uint32,
      treeSize: uint32,
      siblings: fc.nat(envelopeLimits.proofHashesMax).chain((hashes) => bytes(32 * hashes)),
    }),
  ),
})

export const nodeRecord: fc.Arbitrary<NodeRecord> = fc.record({
  id: nodeId,
  network: fc.string({ maxLength: 30 }),
  sequence: uint53,
  issuedAtMs: time,
  expiresAtMs: time,
  softwareVersion: fc.string({ maxLength: 20 }),
  region: fc.string({ maxLength: 20 }),
  cell: fc.constantFrom('', '841f1d7ffffffff'),
  addresses: fc.array(fc.string({ maxLength: 40 }), { maxLength: 4 }),
  hardware: fc.record({
    platform: fc.string({ maxLength: 20 }),
    cpu: text.map((name) => name.slice(0, 30).toWellFormed()),
    cores: uint32,
    memoryBytes: uint53,
    memoryFreeBytes: uint53,
    gpu: fc.string({ maxLength: 20 }),
    gpuMemoryBytes: uint53,
    memoryBandwidthBytesPerSecond: quantity,
    integerExact: fc.boolean(),
  }),
  models: fc.array(
    fc.record({
      name: fc.string({ maxLength: 20 }),
      digest: modelDigest,
      runtime: fc.string({ maxLength: 20 }),
      quantisation: fc.string({ maxLength: 20 }),
      contextTokensMax: uint32,
      decodeTokensPerSecond: quantity,
      prefillTokensPerSecond: quantity,
      slots: uint32,
      features: fc.uniqueArray(fc.constantFrom(...modelFeatures)),
      promptPrice: quantity,
      completionPrice: quantity,
    }),
    { maxLength: 3 },
  ),
})

const choice = fc.integer({ min: 0, max: 15 })
const tokenLogprob: fc.Arbitrary<TokenLogprob> = fc.record({
  token: text,
  logprob: fc.double({ noNaN: true }).map((value) => value + 0),
  bytes: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 8 }),
})

export const generationEvent: fc.Arbitrary<GenerationEvent> = fc.oneof(
  fc.record({
    type: fc.constant('delta' as const),
    choice,
    text,
    tokenIds: fc.array(uint32, { maxLength: 4 }),
    logprobs: fc.array(
      fc
        .tuple(tokenLogprob, fc.array(tokenLogprob, { maxLength: 3 }))
        .map(([token, top]) => ({ ...token, top })),
      { maxLength: 3 },
    ),
    extra: fc.option(jsonObject),
  }),
  fc.record({
    type: fc.constant('finish' as const),
    choice,
    reason: fc.constantFrom(
      'stop' as const,
      'length' as const,
      'tool_calls' as const,
      'content_filter' as const,
    ),
  }),
  fc.record(
    {
      type: fc.constant('usage' as const),
      promptTokens: uint32,
      completionTokens: uint32,
      cachedTokens: uint32,
      estimated: fc.constant(true as const),
    },
    { requiredKeys: ['type', 'promptTokens', 'completionTokens', 'cachedTokens'] },
  ),
)

const subject = {
  requestId: bytes(16).map(requestIdOf),
  model: fc.string({ minLength: 1, maxLength: 20 }),
  modelDigest,
}
/** As JSON brings it back: no −0. */
const number = (min: number, max: number) =>
  fc.double({ min, max, noNaN: true }).map((value) => value + 0)
const tokenIds = fc.array(uint32, { maxLength: 5 })

const message = fc.record(
  {
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool'),
    content: fc.oneof(text, fc.array(jsonObject, { maxLength: 2 }), fc.constant(null)),
    name: fc.string({ maxLength: 10 }),
    tool_calls: fc.array(jsonObject, { maxLength: 2 }),
    tool_call_id: fc.string({ maxLength: 10 }),
  },
  { requiredKeys: ['role', 'content'] },
)

export const generationRequest = fc.record({
  ...subject,
  kind: fc.constantFrom('chat', 'completion'),
  messages: fc.array(message, { maxLength: 4 }),
  prompt: fc.oneof(text, tokenIds),
  choices: fc.integer({ min: 1, max: 16 }),
  maxTokens: fc.option(fc.nat(100_000)),
  stop: fc.array(text, { maxLength: 16 }),
  sampling: fc.record({
    temperature: number(0, 2),
    topP: number(0, 1),
    topK: fc.nat(1000),
    minP: number(0, 1),
    frequencyPenalty: number(-2, 2),
    presencePenalty: number(-2, 2),
    repetitionPenalty: number(0, 2),
    logitBias: fc.dictionary(fc.nat(100_000).map(String), number(-100, 100), { maxKeys: 5 }),
    seed: uint53,
  }),
  topLogprobs: fc.option(fc.nat(20)),
  whole: fc.boolean(),
  echo: fc.boolean(),
  tools: fc.array(jsonObject, { maxLength: 2 }),
  toolChoice: fc.oneof(fc.constantFrom('auto', 'none', null), jsonObject),
  parallelToolCalls: fc.option(fc.boolean()),
  responseFormat: fc.oneof(
    fc.constant({ type: 'text' as const }),
    fc.constant({ type: 'json_object' as const }),
    jsonObject.map((schema) => ({ type: 'json_schema' as const, json_schema: schema })),
  ),
  passThrough: jsonObject,
}) as fc.Arbitrary<GenerationRequest>

export const embeddingRequest: fc.Arbitrary<EmbeddingRequest> = fc.record({
  ...subject,
  kind: fc.constant('embedding' as const),
  input: fc.array(fc.oneof(text, tokenIds), { minLength: 1, maxLength: 4 }),
  dimensions: fc.option(fc.integer({ min: 1, max: 4096 })),
})

const seal = { subject: nodeId, incarnation: uint53, issuedAtMs: uint53, signature: bytes(64) }

export const statement: fc.Arbitrary<Statement> = fc.oneof(
  fc.record({
    kind: fc.constant('alive' as const),
    ...seal,
    payload: fc.uint8Array({ maxLength: 256 }).map((array) => Uint8Array.from(array)),
  }),
  fc.record({ kind: fc.constant('left' as const), ...seal }),
  fc.record({
    kind: fc.constantFrom('suspect' as const, 'dead' as const),
    ...seal,
    accuser: nodeId,
  }),
)

const summary = fc.record({
  id: nodeId,
  incarnation: uint53,
  state: fc.constantFrom('alive', 'suspect', 'dead', 'left'),
})
const news = { news: fc.array(statement, { maxLength: 4 }) }

export const membershipMessage: fc.Arbitrary<MembershipMessage> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('ping' as const, 'ack' as const, 'nack' as const),
    sequence: uint32,
    ...news,
  }),
  fc.record({
    kind: fc.constant('ping-request' as const),
    sequence: uint32,
    target: nodeId,
    ...news,
  }),
  fc.record({ kind: fc.constant('gossip' as const), ...news }),
  fc.record({
    kind: fc.constant('sync' as const),
    summary: fc.array(summary, { maxLength: 4 }),
    ...news,
  }),
  fc.record({
    kind: fc.constant('sync-reply' as const),
    wants: fc.array(nodeId, { maxLength: 4 }),
    ...news,
  }),
)

const ms = fc.float({ min: 0, max: 60_000, noNaN: true })
const trip = fc.record({ id: nodeId, ms })
const clusterName = fc.string({ maxLength: 16 })
const claimSeal = { issuedAtMs: uint53, signature: bytes(64) }
const coordinate = fc.record({
  position: fc.array(fc.float({ noNaN: true }), { minLength: 8, maxLength: 8 }),
  heightMs: ms,
  adjustmentMs: fc.float({ noNaN: true }),
  error: ms,
})

export const meshCard: fc.Arbitrary<SignedMeshCard> = fc.record({
  kind: fc.constant('card' as const),
  id: nodeId,
  epoch: uint53,
  cluster: clusterName,
  clusterSize: uint32,
  contact: fc.uint8Array({ maxLength: 256 }).map((array) => Uint8Array.from(array)),
  sketch: fc.array(fc.record({ key: nodeId.map(nodeKeyOf), ms }), { maxLength: 4 }),
  coordinate,
  ...claimSeal,
})

export const clusterRoster: fc.Arbitrary<SignedClusterRoster> = fc.record({
  kind: fc.constant('roster' as const),
  cluster: clusterName,
  version: uint53,
  coordinator: nodeId,
  seats: fc.array(fc.record({ id: nodeId, epoch: uint53 }), { maxLength: 4 }),
  ...claimSeal,
})

export const clusterStanding: fc.Arbitrary<SignedClusterStanding> = fc.record({
  kind: fc.constant('standing' as const),
  id: nodeId,
  cluster: clusterName,
  epoch: uint53,
  far: fc.array(nodeId, { maxLength: 3 }),
  ...claimSeal,
})

const cards = fc.array(meshCard, { maxLength: 3 })
const standings = fc.array(clusterStanding, { maxLength: 3 })

export const neighbourhoodMessage: fc.Arbitrary<NeighbourhoodMessage> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('shuffle' as const, 'shuffle-reply' as const),
    card: fc.option(meshCard, { nil: undefined }),
    random: cards,
    marks: fc.array(uint32, { maxLength: 4 }),
    near: cards,
    witnesses: uint32,
    holdings: fc.record({
      filter: fc.uint8Array({ maxLength: 256 }).map((array) => Uint8Array.from(array)),
      salt: uint32,
      reachMs: ms,
    }),
  }),
  fc.record({
    kind: fc.constant('shuffle-rest' as const),
    random: cards,
    marks: fc.array(uint32, { maxLength: 4 }),
    near: cards,
  }),
  fc.record({ kind: fc.constant('probe' as const), nonce: uint32 }),
  fc.record({
    kind: fc.constant('echo' as const),
    nonce: uint32,
    cluster: clusterName,
    coordinate,
  }),
  fc.record({
    kind: fc.constant('roster-wanted' as const),
    cluster: clusterName,
    card: fc.option(meshCard, { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant('roster' as const),
    roster: clusterRoster,
    coordinator: nodeId,
    standings,
    cards,
  }),
  fc.record({
    kind: fc.constant('roster-change' as const),
    roster: clusterRoster,
    base: uint53,
    gone: fc.array(nodeId, { maxLength: 3 }),
    standings,
  }),
  fc.record({
    kind: fc.constant('ask' as const),
    cluster: clusterName,
    version: uint53,
    card: meshCard,
    trips: fc.array(trip, { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('answer' as const),
    cluster: clusterName,
    verdict: fc.constantFrom('admitted', 'stale', 'full', 'too-far', 'elsewhere'),
    roster: clusterRoster,
    coordinator: nodeId,
    standings,
  }),
  fc.record({ kind: fc.constant('standing' as const), standing: clusterStanding }),
  fc.record({
    kind: fc.constant('here' as const),
    cluster: clusterName,
    version: uint53,
    coordinator: nodeId,
    epoch: uint53,
  }),
  fc.record({ kind: fc.constant('here-ack' as const), cluster: clusterName, version: uint53 }),
  fc.record({ kind: fc.constant('moved' as const), card: meshCard }),
)

export const relayedPacket: fc.Arbitrary<RelayedPacket> = fc.record({
  sender: nodeId,
  recipient: nodeId,
  issuedAtMs: uint53,
  packet: fc.uint8Array().map((array) => Uint8Array.from(array)),
  signature: bytes(64),
})
