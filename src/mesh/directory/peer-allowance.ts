/** How many messages each peer may send, for the peers heard last. */
import type { NodeId } from '../../protocol/index.ts'
import { directoryLimits } from './limits.ts'

const { peerBurst, peerPerSecond, peersMax } = directoryLimits
const eachMs = 1_000 / peerPerSecond
const burstMs = peerBurst * eachMs
/** Fewer are not worth a look at who is idle. */
const lookFrom = 32

export class PeerAllowance {
  /**
   * When what each has sent is used up: a token bucket in one number. In whole ms, which lie in the
   * map itself: this is asked for each message.
   */
  readonly #busyUntilMs = new Map<NodeId, number>()
  #lookAt = lookFrom

  get size(): number {
    return this.#busyUntilMs.size
  }

  /** Whether the message is one of those that the peer may send. */
  take(peer: NodeId, nowMs: number): boolean {
    const known = this.#busyUntilMs.get(peer)
    if (known === undefined && this.#busyUntilMs.size >= this.#lookAt) this.#makeRoom(nowMs)
    const busyUntilMs = Math.ceil(Math.max(known ?? 0, nowMs) + eachMs)
    if (busyUntilMs - nowMs > burstMs + 1) return false
    this.#busyUntilMs.set(peer, busyUntilMs)
    return true
  }

  /** Most peers send seldom: what they sent is used up long before they send again. */
  #makeRoom(nowMs: number): void {
    for (const [peer, busyUntilMs] of this.#busyUntilMs) {
      if (busyUntilMs <= nowMs) this.#busyUntilMs.delete(peer)
    }
    const { size } = this.#busyUntilMs
    this.#lookAt = Math.max(lookFrom, Math.min(peersMax, 2 * size))
    if (size < peersMax) return
    for (const first of this.#busyUntilMs.keys()) {
      this.#busyUntilMs.delete(first)
      return
    }
  }
}
