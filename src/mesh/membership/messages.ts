/**
 * What members send each other. Every message has room for news (statements), so that knowledge
 * spreads on probes that are sent anyway (SWIM, section 4.1).
 */
import type { NodeId } from '../../protocol/index.ts'
import { membershipLimits } from './presets.ts'
import { type Statement, statementBytes } from './statements.ts'

/** How a state outweighs another of the same incarnation. */
export const stateRank = { alive: 0, suspect: 1, dead: 2, left: 3 } as const
export type MemberState = keyof typeof stateRank

export interface MemberSummary {
  readonly id: NodeId
  readonly incarnation: number
  readonly state: MemberState
}

export type MessageBody =
  | { readonly kind: 'ping'; readonly sequence: number }
  | { readonly kind: 'ping-request'; readonly sequence: number; readonly target: NodeId }
  /** Answers a ping, or a ping-request whose target answered. */
  | { readonly kind: 'ack'; readonly sequence: number }
  /** From a proxy: "I am here and asked, but have no answer yet" (Lifeguard, section IV.A). */
  | { readonly kind: 'nack'; readonly sequence: number }
  | { readonly kind: 'gossip' }
  /** Opens a push-pull: what the sender holds, in short. Statements follow where they differ. */
  | { readonly kind: 'sync'; readonly summary: readonly MemberSummary[] }
  | { readonly kind: 'sync-reply'; readonly wants: readonly NodeId[] }

export type Message = MessageBody & { readonly news: readonly Statement[] }

/** Kind, sequence and the vector of news, as a FlatBuffers table. */
const tableBytes = 32
/** TLS record, HTTP/2 and gRPC framing of one small message on a shared stream. */
const framingBytes = 22 + 9 + 5
const idBytes = 32
const summaryBytes = idBytes + 8 + 1 + 7

/** Bytes on the wire, framing included. */
export function messageBytes(message: Message): number {
  let bytes = framingBytes + tableBytes
  for (const statement of message.news) bytes += statementBytes(statement)
  if (message.kind === 'ping-request') bytes += idBytes
  if (message.kind === 'sync') bytes += message.summary.length * summaryBytes
  if (message.kind === 'sync-reply') bytes += message.wants.length * idBytes
  return bytes
}

/** More than an honest member ever puts into a message, whoever signed its parts. */
export function isOversized(message: Message): boolean {
  const { summariesMax, syncBytesMax, piggybackBytesMax } = membershipLimits
  if (message.kind === 'sync' && message.summary.length > summariesMax) return true
  if (message.kind === 'sync-reply' && message.wants.length > summariesMax) return true
  const newsBytesMax = message.kind === 'sync-reply' ? syncBytesMax : piggybackBytesMax
  let bytes = 0
  for (const statement of message.news) bytes += statementBytes(statement)
  return bytes > newsBytesMax
}
