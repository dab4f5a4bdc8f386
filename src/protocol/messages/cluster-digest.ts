/** A coordinator's digest as the bytes that its signature is over. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import { pooledBytes } from '../../base/index.ts'
import * as wire from '../generated/digests.js'
import * as layouts from '../generated/layouts.js'
import { signatureLengthBytes } from '../identity.ts'
import { type NodeId, nodeIdOf, publicKeyLengthBytes, publicKeyOf } from '../ids.ts'
import {
  type ClusterDigest,
  digestLimits,
  type GoneMember,
  type Sealed,
} from '../load-statements.ts'
import {
  checkLength,
  decodeMessage,
  fixedBytesOf,
  nodeIdFrom,
  safeNumberOf,
  textOf,
} from './decode.ts'
import { encodeMessage, textOffset, uint53 } from './encode.ts'
import { readSealedAnchor, writeSealedAnchor } from './load-anchor.ts'
import { keysOf, keysOffset, ticksOf, ticksOffset } from './load-columns.ts'
import { malformed } from './verify-buffer.ts'

export function encodeClusterDigest(digest: ClusterDigest): Uint8Array {
  return encodeMessage((to) => {
    const cluster = textOffset(to, digest.cluster)
    const coordinator = to.createByteVector(publicKeyOf(digest.coordinator))
    const told = idsOffset(to, digest.told)
    const anchorOffsets = digest.anchors.map((anchor) => writeSealedAnchor(to, anchor))
    const anchors = wire.ClusterDigest.createAnchorsVector(to, anchorOffsets)
    const ticks = ticksOffset(to, digest.ticks)
    const goneOffsets = digest.gone.map((member) => writeGone(to, member))
    const gone = wire.ClusterDigest.createGoneVector(to, goneOffsets)
    wire.ClusterDigest.startClusterDigest(to)
    wire.ClusterDigest.addCluster(to, cluster)
    wire.ClusterDigest.addCoordinator(to, coordinator)
    wire.ClusterDigest.addSequence(to, uint53(digest.sequence, 'sequence'))
    wire.ClusterDigest.addBase(to, uint53(digest.base, 'base'))
    wire.ClusterDigest.addIssuedAtMs(to, uint53(digest.issuedAtMs, 'issuedAtMs'))
    wire.ClusterDigest.addMembers(to, digest.members)
    wire.ClusterDigest.addTold(to, told)
    wire.ClusterDigest.addAnchors(to, anchors)
    wire.ClusterDigest.addTicks(to, ticks)
    wire.ClusterDigest.addGone(to, gone)
    return wire.ClusterDigest.endClusterDigest(to)
  })
}

/** Throws `malformed_message`. The signature is `isDigestSealed`'s to check. */
export function decodeClusterDigest(bytes: Uint8Array): ClusterDigest {
  if (bytes.length > digestLimits.digestBytesMax) {
    throw malformed(`a digest of ${bytes.length} bytes, over ${digestLimits.digestBytesMax}`)
  }
  return decodeMessage(bytes, layouts.ClusterDigest, (buffer) =>
    readDigest(wire.ClusterDigest.getRootAsClusterDigest(buffer)),
  )
}

export function writeSealedDigest(to: Builder, sealed: Sealed<ClusterDigest>): Offset {
  const digest = to.createByteVector(sealed.bytes)
  const signature = to.createByteVector(sealed.signature)
  return wire.SealedDigest.createSealedDigest(to, digest, signature)
}

/** Decoded, not yet verified. */
export function readSealedDigest(table: wire.SealedDigest): Sealed<ClusterDigest> {
  const view = table.digestArray()
  if (view === null) throw malformed('there is no digest')
  const signature = fixedBytesOf(table.signatureArray(), 'digest.signature', signatureLengthBytes)
  const bytes = view.slice()
  return { value: decodeClusterDigest(bytes), bytes, signature }
}

function readDigest(table: wire.ClusterDigest): ClusterDigest {
  const { anchorsPerDigestMax, clusterIdBytesMax, gonePerDigestMax } = digestLimits
  checkLength(table.anchorsLength(), 'digest.anchors', anchorsPerDigestMax)
  checkLength(table.goneLength(), 'digest.gone', gonePerDigestMax)
  return {
    cluster: textOf(table.cluster(Encoding.UTF8_BYTES), 'digest.cluster', clusterIdBytesMax),
    coordinator: nodeIdFrom(table.coordinatorArray(), 'digest.coordinator'),
    sequence: safeNumberOf(table.sequence(), 'digest.sequence'),
    base: safeNumberOf(table.base(), 'digest.base'),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'digest.issued_at_ms'),
    members: table.members(),
    told: idsOf(table.toldArray()),
    anchors: Array.from({ length: table.anchorsLength() }, (_, i) =>
      readSealedAnchor(table.anchors(i)),
    ),
    ticks: ticksOf(table.ticks(), digestLimits.ticksPerDigestMax),
    gone: Array.from({ length: table.goneLength() }, (_, i) => readGone(table.gone(i))),
  }
}

function idsOffset(to: Builder, ids: readonly NodeId[]): Offset {
  if (ids.length === 0) return 0
  const bytes = pooledBytes(ids.length * publicKeyLengthBytes)
  for (const [i, id] of ids.entries()) bytes.set(publicKeyOf(id), i * publicKeyLengthBytes)
  return to.createByteVector(bytes)
}

function idsOf(bytes: Uint8Array | null): NodeId[] {
  if (bytes === null) return []
  if (bytes.length % publicKeyLengthBytes !== 0) throw malformed('digest.told is cut off')
  const length = bytes.length / publicKeyLengthBytes
  checkLength(length, 'digest.told', digestLimits.toldMax)
  return Array.from({ length }, (_, i) =>
    nodeIdOf(bytes.subarray(i * publicKeyLengthBytes, (i + 1) * publicKeyLengthBytes)),
  )
}

function writeGone(to: Builder, { key, sequence, tick, state }: GoneMember): Offset {
  const keyOffset = keysOffset(to, [key])
  return wire.GoneMember.createGoneMember(to, keyOffset, sequence, tick, wire.GoneState[state])
}

function readGone(table: wire.GoneMember | null): GoneMember {
  const [key] = keysOf(table?.keyArray() ?? null, 'gone.key', 1)
  if (table === null || key === undefined) throw malformed('a member that is gone has no key')
  return { key, sequence: table.sequence(), tick: table.tick(), state: stateOf(table.state()) }
}

function stateOf(value: wire.GoneState): GoneMember['state'] {
  switch (value) {
    case wire.GoneState.suspect:
      return 'suspect'
    case wire.GoneState.dead:
      return 'dead'
    case wire.GoneState.left:
      return 'left'
    default:
      throw malformed(`a member in the unknown state ${value}`)
  }
}
