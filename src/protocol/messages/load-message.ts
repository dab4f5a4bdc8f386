/** What nodes, coordinators and gateways tell each other of load, in one message. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import { pooledBytes } from '../../base/index.ts'
import * as wire from '../generated/digests.js'
import * as layouts from '../generated/layouts.js'
import {
  type ClusterSummary,
  type DigestAck,
  digestLimits,
  type LoadMessage,
  type LoadNews,
  type ViewSummary,
} from '../load-statements.ts'
import { readSealedDigest, writeSealedDigest } from './cluster-digest.ts'
import { checkLength, decodeMessage, safeNumberOf, textOf } from './decode.ts'
import { encodeMessage, textOffset, uint53 } from './encode.ts'
import { readSealedAnchor, writeSealedAnchor } from './load-anchor.ts'
import { keysOf, keysOffset, ticksOf, ticksOffset } from './load-columns.ts'
import { malformed } from './verify-buffer.ts'

const { UTF8_BYTES } = Encoding

export function encodeLoadMessage(message: LoadMessage): Uint8Array {
  return encodeMessage((to) => writeLoadMessage(to, message))
}

/** Throws `malformed_message`. Signatures and chains are for the receiver to check. */
export function decodeLoadMessage(bytes: Uint8Array): LoadMessage {
  return decodeMessage(bytes, layouts.LoadMessage, (buffer) =>
    readLoadMessage(wire.LoadMessage.getRootAsLoadMessage(buffer)),
  )
}

export function writeLoadMessage(to: Builder, message: LoadMessage): Offset {
  const at = writePart(to, message)
  wire.LoadMessage.startLoadMessage(to)
  switch (message.kind) {
    case 'news':
      wire.LoadMessage.addNews(to, at)
      break
    case 'wants':
      wire.LoadMessage.addWants(to, at)
      break
    case 'digest':
      wire.LoadMessage.addDigest(to, at)
      break
    case 'ack':
      wire.LoadMessage.addAck(to, at)
      break
    case 'summary':
      wire.LoadMessage.addSummary(to, at)
      break
  }
  return wire.LoadMessage.endLoadMessage(to)
}

export function readLoadMessage(table: wire.LoadMessage | null): LoadMessage {
  const messages = table === null ? [] : partsOf(table)
  const [message] = messages
  if (message === undefined || messages.length > 1) {
    throw malformed(`a message about load has ${messages.length} parts instead of one`)
  }
  return message
}

function writePart(to: Builder, message: LoadMessage): Offset {
  switch (message.kind) {
    case 'news':
      return writeNews(to, message.news)
    case 'wants':
      // Also when nobody is wanted: it has to be there.
      return message.keys.length > 0
        ? keysOffset(to, message.keys)
        : to.createByteVector(new Uint8Array(0))
    case 'digest':
      return writeSealedDigest(to, message.digest)
    case 'ack':
      return writeAck(to, message.ack)
    case 'summary':
      return writeSummary(to, message.summary)
  }
}

function partsOf(table: wire.LoadMessage): LoadMessage[] {
  const parts: LoadMessage[] = []
  const news = table.news()
  if (news !== null) parts.push({ kind: 'news', news: readNews(news) })
  const wants = table.wantsArray()
  if (wants !== null) {
    parts.push({ kind: 'wants', keys: keysOf(wants, 'wants', digestLimits.wantsMax) })
  }
  const digest = table.digest()
  if (digest !== null) parts.push({ kind: 'digest', digest: readSealedDigest(digest) })
  const ack = table.ack()
  if (ack !== null) parts.push({ kind: 'ack', ack: readAck(ack) })
  const summary = table.summary()
  if (summary !== null) parts.push({ kind: 'summary', summary: readSummary(summary) })
  return parts
}

function writeNews(to: Builder, { anchors, ticks, offers }: LoadNews): Offset {
  const anchorOffsets = anchors.map((anchor) => writeSealedAnchor(to, anchor))
  const anchorsAt = wire.LoadNews.createAnchorsVector(to, anchorOffsets)
  const ticksAt = ticksOffset(to, ticks)
  const keysAt = keysOffset(
    to,
    offers.map(({ key }) => key),
  )
  const sequencesAt = wire.LoadNews.createOfferedSequencesVector(
    to,
    offers.map(({ sequence }) => sequence),
  )
  wire.LoadNews.startLoadNews(to)
  wire.LoadNews.addAnchors(to, anchorsAt)
  wire.LoadNews.addTicks(to, ticksAt)
  wire.LoadNews.addOfferedKeys(to, keysAt)
  wire.LoadNews.addOfferedSequences(to, sequencesAt)
  return wire.LoadNews.endLoadNews(to)
}

function readNews(table: wire.LoadNews): LoadNews {
  const { anchorsPerNewsMax, offersPerNewsMax, ticksPerNewsMax } = digestLimits
  checkLength(table.anchorsLength(), 'news.anchors', anchorsPerNewsMax)
  const keys = keysOf(table.offeredKeysArray(), 'news.offered_keys', offersPerNewsMax)
  if (table.offeredSequencesLength() !== keys.length) {
    throw malformed('the columns of offers are of different lengths')
  }
  return {
    anchors: Array.from({ length: table.anchorsLength() }, (_, i) =>
      readSealedAnchor(table.anchors(i)),
    ),
    ticks: ticksOf(table.ticks(), ticksPerNewsMax),
    offers: keys.map((key, i) => ({ key, sequence: table.offeredSequences(i) ?? 0 })),
  }
}

function writeAck(to: Builder, ack: DigestAck): Offset {
  const cluster = textOffset(to, ack.cluster)
  const lacks = keysOffset(to, ack.lacks)
  wire.DigestAck.startDigestAck(to)
  wire.DigestAck.addCluster(to, cluster)
  wire.DigestAck.addSequence(to, uint53(ack.sequence, 'sequence'))
  wire.DigestAck.addLacks(to, lacks)
  return wire.DigestAck.endDigestAck(to)
}

function readAck(table: wire.DigestAck): DigestAck {
  return {
    cluster: textOf(table.cluster(UTF8_BYTES), 'ack.cluster', digestLimits.clusterIdBytesMax),
    sequence: safeNumberOf(table.sequence(), 'ack.sequence'),
    lacks: keysOf(table.lacksArray(), 'ack.lacks', digestLimits.ticksPerDigestMax),
  }
}

/** Hexadecimal digits of a cluster's key. */
const clusterKeyDigits = 16
const clusterKeyBytes = clusterKeyDigits / 2
const clusterKeyPattern = /^([0-9a-f]{16})?$/

function writeSummary(to: Builder, { after, until, clusters }: ViewSummary): Offset {
  const keyBytes = pooledBytes(clusters.length * clusterKeyBytes)
  for (const [i, { cluster }] of clusters.entries()) {
    keyBytes.set(Buffer.from(cluster, 'hex'), i * clusterKeyBytes)
  }
  const afterAt = textOffset(to, after)
  const untilAt = textOffset(to, until)
  const keys = to.createByteVector(keyBytes)
  const members = wire.ViewSummary.createMembersVector(
    to,
    clusters.map((cluster) => cluster.members),
  )
  const anchors = wire.ViewSummary.createAnchorsVector(
    to,
    clusters.map((cluster) => cluster.anchors),
  )
  const saidAt = wire.ViewSummary.createSaidAtMsVector(
    to,
    clusters.map((cluster) => uint53(cluster.saidAtMs, 'saidAtMs')),
  )
  return wire.ViewSummary.createViewSummary(to, afterAt, untilAt, keys, members, anchors, saidAt)
}

function readSummary(table: wire.ViewSummary): ViewSummary {
  const keys = table.clustersArray() ?? new Uint8Array(0)
  const length = table.membersLength()
  checkLength(length, 'summary.clusters', digestLimits.clustersPerSummaryMax)
  const isWhole =
    keys.length === length * clusterKeyBytes &&
    table.anchorsLength() === length &&
    table.saidAtMsLength() === length
  if (!isWhole) throw malformed('the columns of a summary are of different lengths')
  const hex = Buffer.from(keys).toString('hex')
  const clusters: ClusterSummary[] = Array.from({ length }, (_, i) => ({
    cluster: hex.slice(i * clusterKeyDigits, (i + 1) * clusterKeyDigits),
    members: table.members(i) ?? 0,
    anchors: table.anchors(i) ?? 0,
    saidAtMs: safeNumberOf(table.saidAtMs(i) ?? 0n, 'summary.said_at_ms'),
  }))
  return {
    after: clusterKeyFrom(table.after(UTF8_BYTES)),
    until: clusterKeyFrom(table.until(UTF8_BYTES)),
    clusters,
  }
}

function clusterKeyFrom(value: string | Uint8Array | null): string {
  const text = textOf(value, 'summary.after', clusterKeyDigits)
  if (!clusterKeyPattern.test(text)) throw malformed('the range of a summary is not one of keys')
  return text
}
