/** How a node joins a gateway. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import * as wire from '../generated/gateway.js'
import * as identityWire from '../generated/identity.js'
import * as layouts from '../generated/layouts.js'
import { signatureLengthBytes } from '../identity.ts'
import { type NodeId, publicKeyOf } from '../ids.ts'
import type { SignedNodeRecord } from '../signed-node-record.ts'
import { decodeMessage, fixedBytesOf, nodeIdFrom, textOf } from './decode.ts'
import { encodeMessage, textOffset, uint32 } from './encode.ts'
import { messageLimits } from './limits.ts'
import { decodeNodeRecord } from './node-record.ts'
import { malformed } from './verify-buffer.ts'

export interface Join {
  /** What the gateway's operator gave out; a secret. */
  readonly token: string
  readonly record: SignedNodeRecord
}

export interface JoinReply {
  readonly network: string
  readonly gateway: NodeId
  /** How often the gateway wants reports. */
  readonly heartbeatMs: number
}

export function encodeJoin(join: Join): Uint8Array {
  return encodeMessage((to) => {
    const token = textOffset(to, join.token)
    const record = writeSignedNodeRecord(to, join.record)
    wire.Join.startJoin(to)
    wire.Join.addToken(to, token)
    wire.Join.addRecord(to, record)
    return wire.Join.endJoin(to)
  })
}

export function decodeJoin(bytes: Uint8Array): Join {
  return decodeMessage(bytes, layouts.Join, (buffer) => {
    const table = wire.Join.getRootAsJoin(buffer)
    const token = table.token(Encoding.UTF8_BYTES)
    return {
      token: textOf(token, 'join.token', messageLimits.tokenBytesMax),
      record: readSignedNodeRecord(table.record()),
    }
  })
}

export function encodeJoinReply(reply: JoinReply): Uint8Array {
  return encodeMessage((to) => {
    const network = textOffset(to, reply.network)
    const gateway = to.createByteVector(publicKeyOf(reply.gateway))
    wire.JoinReply.startJoinReply(to)
    wire.JoinReply.addNetwork(to, network)
    wire.JoinReply.addGateway(to, gateway)
    wire.JoinReply.addHeartbeatMs(to, uint32(reply.heartbeatMs, 'heartbeatMs'))
    return wire.JoinReply.endJoinReply(to)
  })
}

export function decodeJoinReply(bytes: Uint8Array): JoinReply {
  return decodeMessage(bytes, layouts.JoinReply, (buffer) => {
    const table = wire.JoinReply.getRootAsJoinReply(buffer)
    const network = table.network(Encoding.UTF8_BYTES)
    return {
      network: textOf(network, 'reply.network', messageLimits.networkBytesMax),
      gateway: nodeIdFrom(table.gatewayArray(), 'reply.gateway'),
      heartbeatMs: table.heartbeatMs(),
    }
  })
}

export function writeSignedNodeRecord(to: Builder, signed: SignedNodeRecord): Offset {
  const record = to.createByteVector(signed.bytes)
  const signature = to.createByteVector(signed.signature)
  return identityWire.SignedNodeRecord.createSignedNodeRecord(to, record, signature)
}

/** Decoded, not yet verified. */
export function readSignedNodeRecord(
  table: identityWire.SignedNodeRecord | null,
): SignedNodeRecord {
  const view = table?.recordArray() ?? null
  if (table === null || view === null) throw malformed('there is no node record')
  const signature = fixedBytesOf(table.signatureArray(), 'signature', signatureLengthBytes)
  // A copy: a record is kept for long, and alone.
  const bytes = view.slice()
  return { record: decodeNodeRecord(bytes), bytes, signature }
}
