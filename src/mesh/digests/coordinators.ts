/**
 * Who coordinates a cluster, as its digests say. Two at a time are nothing special: what they tell
 * is their members' own word, and is checked as such.
 */
import type { NodeId } from '../../protocol/index.ts'
import { viewLimits } from './limits.ts'

export interface Coordinator {
  readonly id: NodeId
  readonly cluster: string
  /** Of its latest digest. */
  sequence: number
  /** When the first and the latest digest came. */
  readonly sinceMs: number
  atMs: number
}

export class Coordinators {
  readonly #byCluster = new Map<string, Coordinator[]>()

  /** Those who sent a digest for it, the most recent first. */
  of(cluster: string): readonly Coordinator[] {
    return this.#byCluster.get(cluster) ?? []
  }

  find(cluster: string, id: NodeId): Coordinator | undefined {
    return this.#byCluster.get(cluster)?.find((coordinator) => coordinator.id === id)
  }

  /** Takes in a digest that was checked. */
  note(digest: { cluster: string; coordinator: NodeId; sequence: number }, nowMs: number): void {
    const { cluster, coordinator: id, sequence } = digest
    const known = this.find(cluster, id)
    const others = this.of(cluster).filter((coordinator) => coordinator.id !== id)
    const one = known ?? { id, cluster, sequence, sinceMs: nowMs, atMs: nowMs }
    one.sequence = sequence
    one.atMs = nowMs
    others.unshift(one)
    this.#byCluster.set(cluster, others.slice(0, viewLimits.coordinatorsPerClusterMax))
    if (this.#byCluster.size <= viewLimits.clustersMax) return
    const [oldest] = this.#byCluster.keys()
    if (oldest !== undefined) this.#byCluster.delete(oldest)
  }

  /** Forgets coordinators that are silent for so long. */
  expire(beforeMs: number): void {
    for (const [cluster, all] of this.#byCluster) {
      const left = all.filter(({ atMs }) => atMs >= beforeMs)
      if (left.length === 0) this.#byCluster.delete(cluster)
      else if (left.length < all.length) this.#byCluster.set(cluster, left)
    }
  }
}
