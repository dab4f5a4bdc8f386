/** Sizes of messages about load as they are encoded, for simulations that do not encode them. */
import {
  type ClusterDigest,
  type LoadAnchor,
  type LoadMessage,
  type LoadTick,
  loadTopsBytes,
  type Sealed,
} from '../../protocol/index.ts'

/** A tick in its columns: key, sequence, tick, levels, proof. */
const tickBytes = 10 + 4 + 2 + 2 + 48
/** Key, hash of anchors, members, time. */
const clusterBytes = 8 + 4 + 2 + 8
const offerBytes = 10 + 4
const keyBytes = 10
/** Tables, vtables and lengths around them. */
const messageBytes = 40
const columnsBytes = 60
const newsFixedBytes = 40
const sealBytes = 64 + 24
const anchorFixedBytes = 212
const digestFixedBytes = 136
const goneBytes = 32
const summaryFixedBytes = 88

export function loadMessageBytes(message: LoadMessage): number {
  switch (message.kind) {
    case 'news': {
      const { anchors, offers, ticks } = message.news
      const offered = offers.length * offerBytes
      return messageBytes + newsFixedBytes + anchorsBytes(anchors) + ticksBytes(ticks) + offered
    }
    case 'wants':
      return messageBytes + message.keys.length * keyBytes
    case 'digest':
      return messageBytes + sealBytes + digestBytes(message.digest.value)
    case 'ack':
      return messageBytes + 48 + message.ack.cluster.length + message.ack.lacks.length * keyBytes
    case 'summary':
      return messageBytes + summaryFixedBytes + message.summary.clusters.length * clusterBytes
  }
}

function digestBytes({ anchors, cluster, gone, ticks, told }: ClusterDigest): number {
  const rows = ticksBytes(ticks) + gone.length * goneBytes + told.length * 32
  return digestFixedBytes + cluster.length + anchorsBytes(anchors) + rows
}

function ticksBytes(ticks: readonly LoadTick[]): number {
  return ticks.length === 0 ? 0 : columnsBytes + ticks.length * tickBytes
}

function anchorsBytes(anchors: readonly Sealed<LoadAnchor>[]): number {
  let bytes = 0
  for (const { value } of anchors) {
    bytes += anchorFixedBytes + loadTopsBytes + sealBytes
    bytes += value.cluster.length + value.region.length
  }
  return bytes
}
