/** How many messages each peer may send, for the peers heard last. */
import type { NodeId } from '../../protocol/index.ts'
import { directoryLimits } from './limits.ts'

const { peerBurst, peerPerSecond, peersMax } = directoryLimits
const eachMs = 1_000 / peerPerSecond
const burstMs = peerBurst * eachMs

export class PeerAllowance {
  /**
   * When what each has sent is used up: a token bucket in one number. In whole ms, which lie in the
   * map itself: this is asked for each message.
   */
  readonly #busyUntilMs = new Map<NodeId, number>()

  /** Whether the message is one of those that the peer may send. */
  take(peer: NodeId, nowMs: number): boolean {
    const known = this.#busyUntilMs.get(peer)
    if (known === undefined && this.#busyUntilMs.size >= peersMax) this.#forgetFirst()
    const busyUntilMs = Math.ceil(Math.max(known ?? 0, nowMs) + eachMs)
    if (busyUntilMs - nowMs > burstMs + 1) return false
    this.#busyUntilMs.set(peer, busyUntilMs)
    return true
  }

  #forgetFirst(): void {
    for (const first of this.#busyUntilMs.keys()) {
      this.#busyUntilMs.delete(first)
      return
    }
  }
}
