/**
 * A request that is refused before its body was read. Answering and closing at once would make
 * the kernel reset the connection under the bytes still arriving, and the client would see a broken
 * connection, not the refusal (RFC 9112, section 9.6). So the rest is read and thrown away first,
 * within bounds.
 */
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../base/index.ts'

/** Ten times the largest body: whoever sends more than that is not reading answers anyway. */
const discardedBytesMax = 64 * 1024 * 1024
/** Nobody holds a socket by sending slowly what nobody reads. */
const discardMs = 5_000

/** Resolves when the body has ended, or enough of it was thrown away. */
export function discardBody(request: IncomingMessage, clock: Clock): Promise<void> {
  if (request.readableEnded || request.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    let bytes = 0
    const settle = () => {
      timer.cancel()
      request.off('data', count)
      resolve()
    }
    const count = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > discardedBytesMax) settle()
    }
    const timer = clock.after(discardMs, settle)
    request.on('data', count)
    request.once('end', settle)
    request.once('close', settle)
    request.resume()
  })
}
