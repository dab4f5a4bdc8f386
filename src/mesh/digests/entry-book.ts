/**
 * Entries of nodes by key and by cluster, bounded. Everything in here was checked: anchors by
 * their node's signature, ticks by the anchor's chains.
 *
 * A node is in the cluster that its own latest anchor names, whoever brought that anchor. So it
 * does not matter how many coordinators speak of it, or in which order.
 */
import type { Clock } from '../../base/index.ts'
import {
  type LoadAnchor,
  type LoadTick,
  type NodeId,
  type NodeKey,
  nodeKeyOf,
  type Sealed,
} from '../../protocol/index.ts'
import { digestTimes } from './limits.ts'
import { ClusterEntry, NodeEntry, type TickOutcome } from './node-entry.ts'
import type { LoadSeals } from './seals.ts'

export type AnchorOutcome =
  | 'taken'
  | 'known'
  | 'stale'
  | 'forged'
  /** Too old, or from the future: compare the clocks. */
  | 'untimely'
  /** The book, its cluster or its bringer's share is full. */
  | 'full'
  | 'contradiction'

export interface BookLimits {
  readonly nodesMax: number
  readonly clustersMax: number
  readonly membersPerClusterMax: number
}

export interface BookModules {
  readonly seals: LoadSeals
  readonly clock: Pick<Clock, 'now'>
}

export interface Bringer {
  readonly id: NodeId
  /** Nodes that it may have made known first. */
  readonly introducedMax: number
}

/** A time on both clocks. */
export interface Moment {
  readonly nowMs: number
  readonly wallMs: number
}

/** Clocks may differ by so much (`envelopeLimits.clockSkewMaxMs` in `protocol`). */
const clockSkewMaxMs = 30_000

export class EntryBook {
  readonly clusters = new Map<string, ClusterEntry>()
  readonly #entries = new Map<NodeKey, NodeEntry>()
  readonly #introduced = new Map<NodeId, number>()
  readonly #limits: BookLimits
  readonly #modules: BookModules

  constructor(limits: BookLimits, modules: BookModules) {
    this.#limits = limits
    this.#modules = modules
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: NodeKey): NodeEntry | undefined {
    return this.#entries.get(key)
  }

  entries(): IterableIterator<NodeEntry> {
    return this.#entries.values()
  }

  /** ms since the node said what is known: as old as the older of two clocks has it. */
  ageMs(entry: NodeEntry, nowMs: number): number {
    return Math.max(0, nowMs - entry.heardAtMs, this.#modules.clock.now() - entry.saidAtMs)
  }

  takeAnchor(anchor: Sealed<LoadAnchor>, bringer: Bringer, nowMs: number): AnchorOutcome {
    const { value } = anchor
    const key = nodeKeyOf(value.node)
    const known = this.#entries.get(key)
    if (known !== undefined) {
      // The first to be known keeps the key.
      if (known.id !== value.node) return 'full'
      const { sequence } = known
      if (value.sequence < sequence) return 'stale'
      if (value.sequence === sequence) return this.#compare(known, anchor)
    }
    if (!this.#isTimely(value)) return 'untimely'
    if (!this.#hasRoom(value.cluster, known, bringer)) return 'full'
    if (!this.#modules.seals.isAnchorSealed(anchor)) return 'forged'
    if (known === undefined) {
      this.#introduced.set(bringer.id, (this.#introduced.get(bringer.id) ?? 0) + 1)
      const entry = new NodeEntry(anchor, bringer.id, nowMs)
      this.#entries.set(key, entry)
      this.#enter(entry)
    } else {
      this.#leave(known)
      known.renew(anchor, nowMs)
      this.#enter(known)
    }
    return 'taken'
  }

  takeTick(entry: NodeEntry, said: LoadTick, at: Moment): TickOutcome | 'untimely' {
    const { issuedAtMs, sequence, tickMs, tick } = entry
    const isEarly = issuedAtMs + said.tick * tickMs > at.wallMs + clockSkewMaxMs
    if (isEarly && said.sequence === sequence) return 'untimely'
    const outcome = entry.advance(said, at.nowMs, this.#modules.seals.walk)
    if (outcome !== 'taken') return outcome
    entry.key = said.key
    const { cluster } = entry
    if (cluster !== undefined) cluster.saidAtSumMs += (said.tick - tick) * tickMs
    return outcome
  }

  /** Forgets who said nothing for long. */
  expire(nowMs: number): NodeEntry[] {
    const expired: NodeEntry[] = []
    const wallMs = this.#modules.clock.now()
    for (const entry of this.#entries.values()) {
      const ageMs = Math.max(nowMs - entry.heardAtMs, wallMs - entry.saidAtMs)
      if (ageMs > digestTimes.expireAfterMs) expired.push(entry)
    }
    for (const entry of expired) this.remove(entry)
    return expired
  }

  remove(entry: NodeEntry): void {
    this.#leave(entry)
    entry.cluster = undefined
    entry.follower = undefined
    this.#entries.delete(entry.key)
    const left = (this.#introduced.get(entry.introducedBy) ?? 1) - 1
    if (left > 0) this.#introduced.set(entry.introducedBy, left)
    else this.#introduced.delete(entry.introducedBy)
  }

  /** Two anchors with one sequence: everyone keeps the one whose signature is the larger. */
  #compare(known: NodeEntry, anchor: Sealed<LoadAnchor>): AnchorOutcome {
    const order = Buffer.compare(anchor.signature, known.anchor.signature)
    if (order === 0) return 'known'
    if (!this.#modules.seals.isAnchorSealed(anchor)) return 'forged'
    if (order > 0 && this.#hasRoom(anchor.value.cluster, known, undefined)) {
      this.#leave(known)
      known.renew(anchor, known.heardAtMs)
      this.#enter(known)
    }
    known.isTwofold = true
    return 'contradiction'
  }

  #isTimely({ issuedAtMs, ticksMax, tickMs }: LoadAnchor): boolean {
    const ageMs = this.#modules.clock.now() - issuedAtMs
    const lifeMs = ticksMax * tickMs + digestTimes.expireAfterMs + clockSkewMaxMs
    return ageMs >= -clockSkewMaxMs && ageMs <= lifeMs
  }

  #hasRoom(clusterId: string, known: NodeEntry | undefined, bringer: Bringer | undefined) {
    const cluster = this.clusters.get(clusterId)
    const isNewHere = known === undefined || known.anchor.value.cluster !== clusterId
    if (cluster === undefined && this.clusters.size >= this.#limits.clustersMax) return false
    if (isNewHere && (cluster?.members.size ?? 0) >= this.#limits.membersPerClusterMax) return false
    if (known !== undefined || bringer === undefined) return true
    const introduced = this.#introduced.get(bringer.id) ?? 0
    return this.#entries.size < this.#limits.nodesMax && introduced < bringer.introducedMax
  }

  #enter(entry: NodeEntry): void {
    const { cluster: id } = entry.anchor.value
    let cluster = this.clusters.get(id)
    if (cluster === undefined) {
      cluster = new ClusterEntry(id)
      this.clusters.set(id, cluster)
    }
    entry.cluster = cluster
    cluster.members.set(entry.key, entry)
    cluster.anchorsHash = (cluster.anchorsHash ^ hashOf(entry.key, entry.sequence)) >>> 0
    cluster.saidAtSumMs += entry.saidAtMs
  }

  #leave(entry: NodeEntry): void {
    const { cluster } = entry
    if (cluster === undefined) return
    cluster.members.delete(entry.key)
    cluster.anchorsHash = (cluster.anchorsHash ^ hashOf(entry.key, entry.sequence)) >>> 0
    cluster.saidAtSumMs -= entry.saidAtMs
    if (cluster.members.size === 0) this.clusters.delete(cluster.id)
  }
}

/**
 * FNV-1a, finished as MurmurHash3 is. Who makes sets collide hides changes of its own nodes only.
 */
function hashOf(key: NodeKey, sequence: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ sequence, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
