/** Clusters that did not fit, and until when they are not tried again: longer each time. */
import { clusterLimits, clusterTimes } from './limits.ts'

interface Refusal {
  readonly untilMs: number
  readonly waitMs: number
}

export class Refusals {
  readonly #refusals = new Map<string, Refusal>()

  isRefused(cluster: string, nowMs: number): boolean {
    return nowMs < (this.#refusals.get(cluster)?.untilMs ?? 0)
  }

  add(cluster: string, nowMs: number, leastMs: number = clusterTimes.refusedMs): void {
    const before = this.#refusals.get(cluster)
    const doubledMs = before === undefined ? leastMs : 2 * before.waitMs
    const waitMs = Math.max(leastMs, Math.min(doubledMs, clusterTimes.refusedMsMax))
    this.#refusals.delete(cluster)
    if (this.#refusals.size >= clusterLimits.refusalsMax) {
      for (const first of this.#refusals.keys()) {
        this.#refusals.delete(first)
        break
      }
    }
    this.#refusals.set(cluster, { untilMs: nowMs + waitMs, waitMs })
  }
}
