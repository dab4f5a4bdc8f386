/** Arbitrary messages about load, for property-based tests. */
import fc from 'fast-check'
import type { NodeId } from './ids.ts'
import {
  type ClusterDigest,
  digestLimits,
  type LoadAnchor,
  type LoadMessage,
  loadProofBytes,
  loadTopsBytes,
} from './load-statements.ts'
import { encodeClusterDigest } from './messages/cluster-digest.ts'
import { encodeLoadAnchor } from './messages/load-anchor.ts'
import { nodeKeyOf } from './node-key.ts'
import * as fixture from './protocol.fixture.ts'

const uint16 = fc.integer({ min: 0, max: 0xffff })
const uint32 = fc.integer({ min: 0, max: 0xffffffff })
const uint53 = fc.maxSafeNat()
/** Twelve graphemes may have more bytes than a name. */
const name = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .map((text) => text.toWellFormed())
  .filter((text) => Buffer.byteLength(text) <= digestLimits.regionBytesMax)
const nodeKey = fixture.nodeId.map((id: NodeId) => nodeKeyOf(id))

export const loadAnchor: fc.Arbitrary<LoadAnchor> = fc.record({
  node: fixture.nodeId,
  cluster: name,
  region: name,
  sequence: uint32,
  issuedAtMs: uint53,
  tickMs: fc.integer({ min: digestLimits.tickMsMin, max: digestLimits.tickMsMax }),
  ticksMax: fc.integer({ min: 1, max: digestLimits.ticksMax }),
  capabilities: fixture.bytes(32),
  slots: uint32,
  countUnit: fc.integer({ min: 1, max: 0xffffffff }),
  kvTokensTotal: uint53,
  tokensPerSecond: fc.double({ min: 0, max: 1e16, noNaN: true }),
  health: fc.constantFrom('good', 'degraded', 'draining'),
  load: fc.record({ running: uint32, waiting: uint32, kvTokensFree: uint53 }),
  tops: fixture.bytes(loadTopsBytes),
})

const sealedAnchor = fc
  .record({ value: loadAnchor, signature: fixture.bytes(64) })
  .map(({ value, signature }) => ({ value, bytes: encodeLoadAnchor(value), signature }))

const tick = fc.record({
  key: nodeKey,
  sequence: uint32,
  tick: uint16,
  levels: uint16,
  proof: fixture.bytes(loadProofBytes),
})

export const clusterDigest: fc.Arbitrary<ClusterDigest> = fc.record({
  cluster: name,
  coordinator: fixture.nodeId,
  sequence: uint53,
  base: uint53,
  issuedAtMs: uint53,
  members: uint16,
  told: fc.array(fixture.nodeId, { maxLength: digestLimits.toldMax }),
  anchors: fc.array(sealedAnchor, { maxLength: 2 }),
  ticks: fc.array(tick, { maxLength: 3 }),
  gone: fc.array(
    fc.record({
      key: nodeKey,
      sequence: uint32,
      tick: uint16,
      state: fc.constantFrom('suspect' as const, 'dead' as const, 'left' as const),
    }),
    { maxLength: 3 },
  ),
})

const clusterKey = fixture.bytes(8).map((bytes) => Buffer.from(bytes).toString('hex'))

export const loadMessage: fc.Arbitrary<LoadMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('news' as const),
    news: fc.record({
      anchors: fc.array(sealedAnchor, { maxLength: 2 }),
      ticks: fc.array(tick, { maxLength: 3 }),
      offers: fc.array(fc.record({ key: nodeKey, sequence: uint32 }), { maxLength: 3 }),
    }),
  }),
  fc.record({ kind: fc.constant('wants' as const), keys: fc.array(nodeKey, { maxLength: 4 }) }),
  fc.record({
    kind: fc.constant('digest' as const),
    digest: fc
      .record({ value: clusterDigest, signature: fixture.bytes(64) })
      .map(({ value, signature }) => ({ value, bytes: encodeClusterDigest(value), signature })),
  }),
  fc.record({
    kind: fc.constant('ack' as const),
    ack: fc.record({
      cluster: name,
      sequence: uint53,
      lacks: fc.array(nodeKey, { maxLength: 4 }),
    }),
  }),
  fc.record({
    kind: fc.constant('summary' as const),
    summary: fc.record({
      after: fc.oneof(fc.constant(''), clusterKey),
      until: fc.oneof(fc.constant(''), clusterKey),
      clusters: fc.array(
        fc.record({ cluster: clusterKey, members: uint16, anchors: uint32, saidAtMs: uint53 }),
        { maxLength: 4 },
      ),
    }),
  }),
)
