/** The bounds of a carrier. Both sides know them: they are part of the carrier's version. */
import { transportLimits } from '../transport.ts'

export const carrierLimits = {
  /** What a call, and all calls together, may send before their reader takes it. */
  callWindow: transportLimits.streamWindowBytes,
  window: transportLimits.connectionWindowBytes,
  /** Credit is given back in portions: a frame for each message would be as many again. */
  creditShare: 4,
  /** What a message takes besides its bytes: an empty one is not for free. */
  messageOverheadBytes: 128,
  /** Longer messages go in pieces, so that others get between them: as HTTP/2's frames. */
  pieceBytesMax: 16 * 1024,
  /** Bytes of one message of the carrier: some pieces, and little to wait behind. */
  batchBytesMax: 64 * 1024,
  /** Frames that wait for a peer which reads nothing: the longest last words of all calls. */
  waitingBytesMax: transportLimits.streamsPerConnectionMax * transportLimits.metadataBytesMax,
  /** A reader this far behind gets no further pieces of the next message. */
  unreadBytesMax: 256 * 1024,
  /** Rapid reset (CVE-2023-44487): calls given up or refused, at once and per second. */
  resetBurst: 4 * transportLimits.streamsPerConnectionMax,
  resetRate: transportLimits.streamsPerConnectionMax,
} as const

/** What a message, or a piece of one, costs of both windows. */
export function costOf(bytes: number): number {
  return bytes + carrierLimits.messageOverheadBytes
}
