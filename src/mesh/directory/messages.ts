/** How large messages of the directory are. */
import { type Card, cardBytes } from './card.ts'
import type { DirectoryMessage } from './directory.ts'

/** TLS record, HTTP/2 and gRPC framing, and the table around the parts. */
const messageTableBytes = 22 + 9 + 5 + 32

/** Bytes on the wire, framing included. */
export function directoryMessageBytes(message: DirectoryMessage): number {
  return (
    messageTableBytes + cardBytes(message.card) + sumBytes(message.random) + sumBytes(message.near)
  )
}

function sumBytes(cards: readonly Card[]): number {
  let bytes = 0
  for (const card of cards) bytes += cardBytes(card)
  return bytes
}
