/** A node's anchor as the bytes that its signature is over. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import { assert } from '../../base/index.ts'
import * as wire from '../generated/digests.js'
import * as layouts from '../generated/layouts.js'
import { signatureLengthBytes } from '../identity.ts'
import { publicKeyOf } from '../ids.ts'
import {
  digestLimits,
  type LoadAnchor,
  loadTopsBytes,
  type NodeHealth,
  type Sealed,
} from '../load-statements.ts'
import { sha256LengthBytes } from '../sha256.ts'
import {
  decodeMessage,
  fixedBytesOf,
  nodeIdFrom,
  quantityOf,
  safeNumberOf,
  textOf,
} from './decode.ts'
import { encodeMessage, textOffset, uint32, uint53 } from './encode.ts'
import { malformed } from './verify-buffer.ts'

const { UTF8_BYTES } = Encoding

export function encodeLoadAnchor(anchor: LoadAnchor): Uint8Array {
  assert(anchor.tops.length === loadTopsBytes, 'an anchor has the tops of all chains')
  return encodeMessage((to) => {
    const node = to.createByteVector(publicKeyOf(anchor.node))
    const cluster = textOffset(to, anchor.cluster)
    const region = textOffset(to, anchor.region)
    const capabilities = to.createByteVector(anchor.capabilities)
    const tops = to.createByteVector(anchor.tops)
    wire.LoadAnchor.startLoadAnchor(to)
    wire.LoadAnchor.addNode(to, node)
    wire.LoadAnchor.addCluster(to, cluster)
    wire.LoadAnchor.addRegion(to, region)
    wire.LoadAnchor.addSequence(to, uint32(anchor.sequence, 'sequence'))
    wire.LoadAnchor.addIssuedAtMs(to, uint53(anchor.issuedAtMs, 'issuedAtMs'))
    wire.LoadAnchor.addTickMs(to, anchor.tickMs)
    wire.LoadAnchor.addTicksMax(to, anchor.ticksMax)
    wire.LoadAnchor.addCapabilities(to, capabilities)
    wire.LoadAnchor.addSlots(to, uint32(anchor.slots, 'slots'))
    wire.LoadAnchor.addCountUnit(to, uint32(anchor.countUnit, 'countUnit'))
    wire.LoadAnchor.addKvTokensTotal(to, uint53(anchor.kvTokensTotal, 'kvTokensTotal'))
    wire.LoadAnchor.addTokensPerSecond(to, anchor.tokensPerSecond)
    wire.LoadAnchor.addHealth(to, wire.Health[anchor.health])
    wire.LoadAnchor.addRunning(to, uint32(anchor.load.running, 'running'))
    wire.LoadAnchor.addWaiting(to, uint32(anchor.load.waiting, 'waiting'))
    wire.LoadAnchor.addKvTokensFree(to, uint53(anchor.load.kvTokensFree, 'kvTokensFree'))
    wire.LoadAnchor.addTops(to, tops)
    return wire.LoadAnchor.endLoadAnchor(to)
  })
}

/** Throws `malformed_message`. The signature is `isAnchorSealed`'s to check. */
export function decodeLoadAnchor(bytes: Uint8Array): LoadAnchor {
  if (bytes.length > digestLimits.anchorBytesMax) {
    throw malformed(`an anchor of ${bytes.length} bytes, over ${digestLimits.anchorBytesMax}`)
  }
  return decodeMessage(bytes, layouts.LoadAnchor, (buffer) =>
    readAnchor(wire.LoadAnchor.getRootAsLoadAnchor(buffer)),
  )
}

export function writeSealedAnchor(to: Builder, sealed: Sealed<LoadAnchor>): Offset {
  const anchor = to.createByteVector(sealed.bytes)
  const signature = to.createByteVector(sealed.signature)
  return wire.SealedAnchor.createSealedAnchor(to, anchor, signature)
}

/** Decoded, not yet verified. */
export function readSealedAnchor(table: wire.SealedAnchor | null): Sealed<LoadAnchor> {
  const view = table?.anchorArray() ?? null
  if (table === null || view === null) throw malformed('there is no anchor')
  const signature = fixedBytesOf(table.signatureArray(), 'anchor.signature', signatureLengthBytes)
  // A copy: an anchor is kept for minutes, and alone.
  const bytes = view.slice()
  return { value: decodeLoadAnchor(bytes), bytes, signature }
}

function readAnchor(table: wire.LoadAnchor): LoadAnchor {
  const { clusterIdBytesMax, regionBytesMax, tickMsMax, tickMsMin, ticksMax } = digestLimits
  const tickMs = table.tickMs()
  const ticks = table.ticksMax()
  const countUnit = table.countUnit()
  if (tickMs < tickMsMin || tickMs > tickMsMax) throw malformed(`anchor.tick_ms is ${tickMs}`)
  if (ticks < 1 || ticks > ticksMax) throw malformed(`anchor.ticks_max is ${ticks}`)
  if (countUnit < 1) throw malformed('anchor.count_unit is 0')
  return {
    node: nodeIdFrom(table.nodeArray(), 'anchor.node'),
    cluster: textOf(table.cluster(UTF8_BYTES), 'anchor.cluster', clusterIdBytesMax),
    region: textOf(table.region(UTF8_BYTES), 'anchor.region', regionBytesMax),
    sequence: table.sequence(),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'anchor.issued_at_ms'),
    tickMs,
    ticksMax: ticks,
    capabilities: fixedBytesOf(table.capabilitiesArray(), 'anchor.capabilities', sha256LengthBytes),
    slots: table.slots(),
    countUnit,
    kvTokensTotal: safeNumberOf(table.kvTokensTotal(), 'anchor.kv_tokens_total'),
    tokensPerSecond: quantityOf(table.tokensPerSecond(), 'anchor.tokens_per_second'),
    health: healthOf(table.health()),
    load: {
      running: table.running(),
      waiting: table.waiting(),
      kvTokensFree: safeNumberOf(table.kvTokensFree(), 'anchor.kv_tokens_free'),
    },
    tops: fixedBytesOf(table.topsArray(), 'anchor.tops', loadTopsBytes),
  }
}

function healthOf(value: wire.Health): NodeHealth {
  switch (value) {
    case wire.Health.good:
      return 'good'
    case wire.Health.degraded:
      return 'degraded'
    case wire.Health.draining:
      return 'draining'
    default:
      throw malformed(`an anchor of the unknown health ${value}`)
  }
}
