/** How many messages each peer may send: a token bucket each, for the peers heard last. */
import type { NodeId } from '../../protocol/index.ts'
import { directoryLimits } from './limits.ts'

interface Bucket {
  tokens: number
  atMs: number
}

export class PeerAllowance {
  readonly #buckets = new Map<NodeId, Bucket>()

  /** Whether the message is one of those that the peer may send. */
  take(peer: NodeId, nowMs: number): boolean {
    const { peerBurst, peerPerSecond, peersMax } = directoryLimits
    const bucket = this.#buckets.get(peer)
    if (bucket === undefined) {
      if (this.#buckets.size >= peersMax) {
        for (const first of this.#buckets.keys()) {
          this.#buckets.delete(first)
          break
        }
      }
      this.#buckets.set(peer, { tokens: peerBurst - 1, atMs: nowMs })
      return true
    }
    const earned = ((nowMs - bucket.atMs) * peerPerSecond) / 1_000
    bucket.tokens = Math.min(peerBurst, bucket.tokens + earned)
    bucket.atMs = nowMs
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}
