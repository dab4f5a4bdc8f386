/**
 * What members send each other. Every message has room for news (statements), so that knowledge
 * spreads on probes that are sent anyway (SWIM, section 4.1).
 */
import type { MemberState, MembershipMessage } from '../../protocol/index.ts'
import { membershipLimits } from './presets.ts'
import { statementBytes } from './statements.ts'

export type {
  MemberState,
  MemberSummary,
  MembershipMessage as Message,
  MembershipMessageBody as MessageBody,
} from '../../protocol/index.ts'

/** How a state outweighs another of the same incarnation. */
export const stateRank: Readonly<Record<MemberState, number>> = {
  alive: 0,
  suspect: 1,
  dead: 2,
  left: 3,
}

/** IP and TCP, TLS record, HTTP/2, gRPC, and the frame of a carried call. */
const framingBytes = 52 + 22 + 9 + 5 + 8
/** A FlatBuffers packet with one message, and what it takes besides for each part. */
const packetBytes = 48
const coordinateBytes = 44
const newsVectorBytes = 44
const summaryColumnsBytes = 48
const idBytes = 32
const summaryBytes = idBytes + 8 + 1

/** Bytes on the wire, headers of all layers included, as one message alone has them. */
export function messageBytes(message: MembershipMessage): number {
  let bytes = framingBytes + packetBytes
  if (message.news.length > 0) bytes += newsVectorBytes
  for (const statement of message.news) bytes += statementBytes(statement)
  if (message.kind === 'ping' || message.kind === 'ack') bytes += coordinateBytes
  if (message.kind === 'ping-request') bytes += idBytes + 8
  if (message.kind === 'sync') {
    bytes += summaryColumnsBytes + message.summary.length * summaryBytes
  }
  if (message.kind === 'sync-reply') bytes += 8 + message.wants.length * idBytes
  return bytes
}

/** More than an honest member ever puts into a message, whoever signed its parts. */
export function isOversized(message: MembershipMessage): boolean {
  const { summariesMax, syncBytesMax, piggybackBytesMax } = membershipLimits
  if (message.kind === 'sync' && message.summary.length > summariesMax) return true
  if (message.kind === 'sync-reply' && message.wants.length > summariesMax) return true
  if (message.news.length === 0) return false
  const newsBytesMax = message.kind === 'sync-reply' ? syncBytesMax : piggybackBytesMax
  let bytes = 0
  for (const statement of message.news) bytes += statementBytes(statement)
  return bytes > newsBytesMax
}
