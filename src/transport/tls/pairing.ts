/**
 * How the two sockets of a connection find each other at the side that accepts them.
 *
 * The dialler draws a token, sends it in a first call on the `h2` socket and as the first bytes of
 * the reverse socket, both inside TLS. Sockets are paired by token *and* authenticated peer, so a
 * token is of no use to anybody else. `PairingTable` is pure bookkeeping: who waits for whom.
 */
import type { NodeId } from '../../protocol/index.ts'

export const forwardProtocol = 'h2'
/** HTTP/2's roles are swapped after the TLS handshake: the dialler is the server. */
export const reverseProtocol = 'isochrone-reverse/1'
/** The call that a dialler makes first; it is answered when both sockets are there. */
export const openPath = '/isochrone.v1.Transport/Open'
/** Metadata of that call. */
export const tokenKey = 'isochrone-connection'
export const tokenBytes = 32

/** Halves that wait for each other; each is given to whoever brings the other. */
export class PairingTable<TForward, TReverse> {
  readonly #forward = new Map<string, TForward>()
  readonly #reverse = new Map<string, TReverse>()

  get size(): number {
    return this.#forward.size + this.#reverse.size
  }

  /** The reverse half if it is there; otherwise this half waits. 'taken': the key is in use. */
  bringForward(peer: NodeId, token: string, half: TForward): TReverse | 'waits' | 'taken' {
    return bring(keyOf(peer, token), half, [this.#forward, this.#reverse])
  }

  bringReverse(peer: NodeId, token: string, half: TReverse): TForward | 'waits' | 'taken' {
    return bring(keyOf(peer, token), half, [this.#reverse, this.#forward])
  }

  /** Takes a waiting half out, because it died or nobody came; true if it waited. */
  forget(peer: NodeId, token: string): boolean {
    const key = keyOf(peer, token)
    const forward = this.#forward.delete(key)
    return this.#reverse.delete(key) || forward
  }
}

function keyOf(peer: NodeId, token: string): string {
  return `${peer} ${token}`
}

function bring<TMine, TOther>(
  key: string,
  half: TMine,
  [mine, others]: readonly [Map<string, TMine>, Map<string, TOther>],
): TOther | 'waits' | 'taken' {
  if (mine.has(key)) return 'taken'
  const other = others.get(key)
  if (other === undefined) {
    mine.set(key, half)
    return 'waits'
  }
  others.delete(key)
  return other
}
