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

/** Kind, sequence and the vector of news, as a FlatBuffers table. */
const tableBytes = 32
/** TLS record, HTTP/2 and gRPC framing of one small message on a shared stream. */
const framingBytes = 22 + 9 + 5
const idBytes = 32
const summaryBytes = idBytes + 8 + 1 + 7

/** Bytes on the wire, framing included. */
export function messageBytes(message: MembershipMessage): number {
  let bytes = framingBytes + tableBytes
  for (const statement of message.news) bytes += statementBytes(statement)
  if (message.kind === 'ping-request') bytes += idBytes
  if (message.kind === 'sync') bytes += message.summary.length * summaryBytes
  if (message.kind === 'sync-reply') bytes += message.wants.length * idBytes
  return bytes
}

/** More than an honest member ever puts into a message, whoever signed its parts. */
export function isOversized(message: MembershipMessage): boolean {
  const { summariesMax, syncBytesMax, piggybackBytesMax } = membershipLimits
  if (message.kind === 'sync' && message.summary.length > summariesMax) return true
  if (message.kind === 'sync-reply' && message.wants.length > summariesMax) return true
  const newsBytesMax = message.kind === 'sync-reply' ? syncBytesMax : piggybackBytesMax
  let bytes = 0
  for (const statement of message.news) bytes += statementBytes(statement)
  return bytes > newsBytesMax
}
