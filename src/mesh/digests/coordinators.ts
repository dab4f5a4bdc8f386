/**
 * Who coordinates a cluster, as its digests say. Two at a time are nothing special: what they tell
 * is their members' own word, and is checked as such.
 */
import type { NodeId } from '../../protocol/index.ts'
import { viewLimits } from './limits.ts'
import type { NodeEntry } from './node-entry.ts'

export interface Coordinator {
  readonly id: NodeId
  readonly cluster: string
  /** Of its latest digest. */
  sequence: number
  /** When a digest of it was acknowledged last. */
  ackedAtMs: number
  /** Of whom it told last. */
  told: NodeEntry | undefined
  /** When the first and the latest digest came. */
  sinceMs: number
  atMs: number
}

export class Coordinators {
  readonly #byCluster = new Map<string, Coordinator[]>()

  /** Those who sent a digest for it, the most recent first. */
  of(cluster: string): readonly Coordinator[] {
    return this.#byCluster.get(cluster) ?? []
  }

  find(cluster: string, id: NodeId): Coordinator | undefined {
    const all = this.#byCluster.get(cluster)
    if (all === undefined) return undefined
    for (const coordinator of all) if (coordinator.id === id) return coordinator
    return undefined
  }

  /** The one whose digest this is; it is remembered when the digest was checked. */
  whose({ cluster, coordinator: id }: { cluster: string; coordinator: NodeId }): Coordinator {
    const known = this.find(cluster, id)
    if (known !== undefined) return known
    const never = { sequence: -1, ackedAtMs: Number.NEGATIVE_INFINITY, told: undefined }
    return { id, cluster, ...never, sinceMs: 0, atMs: 0 }
  }

  /** A digest of it was checked. */
  note(one: Coordinator, sequence: number, nowMs: number): void {
    one.sequence = sequence
    one.atMs = nowMs
    const { cluster } = one
    const before = this.of(cluster)
    if (before[0] === one) return
    if (!before.includes(one)) one.sinceMs = nowMs
    const others = before.filter((coordinator) => coordinator !== one)
    others.unshift(one)
    this.#byCluster.set(cluster, others.slice(0, viewLimits.coordinatorsPerClusterMax))
    if (this.#byCluster.size <= viewLimits.coordinatedMax) return
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
