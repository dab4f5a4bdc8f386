/**
 * Destroys a TLS socket once the stack is empty.
 *
 * Inside a callback of TLS itself (a handshake that ended, bytes that came) the native side still
 * reads from the session that destroying frees; Node 26 was seen to crash there.
 */
import type { Duplex } from 'node:stream'

export function destroyLater(socket: Duplex): void {
  setImmediate(() => socket.destroy())
}
