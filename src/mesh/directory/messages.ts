/** How large messages of the directory are. */
import { type Card, cardBytes } from './card.ts'
import type { DirectoryMessage } from './directory.ts'

/** IP and TCP, TLS record, HTTP/2, gRPC, the frame of a carried call, and the packet around it. */
const framingBytes = 52 + 22 + 9 + 5 + 8 + 48
/** The message's table, and what says where its parts are. */
const tableBytes = 64

/** Bytes on the wire, framing included. */
export function directoryMessageBytes(message: DirectoryMessage): number {
  const { random, marks, near } = message
  const cards = sumBytes(near) + sumBytes(random) + 4 * marks.length
  const bytes = framingBytes + tableBytes + cards
  if (message.kind === 'shuffle-rest') return bytes
  const { card, holdings } = message
  return bytes + (card === undefined ? 0 : cardBytes(card)) + holdings.filter.length
}

function sumBytes(cards: readonly Card[]): number {
  let bytes = 0
  for (const card of cards) bytes += cardBytes(card)
  return bytes
}
