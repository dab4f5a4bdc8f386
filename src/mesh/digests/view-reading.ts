/** How what a gateway holds is read: a node, and the tree of regions, clusters and nodes. */
import type { LoadFigures, NodeHealth, NodeId } from '../../protocol/index.ts'
import type { Coordinators } from './coordinators.ts'
import type { EntryBook } from './entry-book.ts'
import { digestTimes } from './limits.ts'
import type { ClusterEntry, NodeEntry } from './node-entry.ts'

/** Late: not heard of for longer than the way explains. The rest is its coordinator's word. */
export type NodeState = 'alive' | 'late' | 'suspect' | 'dead' | 'left'

export interface ViewedNode {
  readonly id: NodeId
  readonly cluster: string
  readonly region: string
  readonly state: NodeState
  readonly health: NodeHealth
  readonly load: LoadFigures
  readonly slots: number
  readonly kvTokensTotal: number
  /** As it measured: of one generation, where it measured no more. */
  readonly tokensPerSecond: number
  /** SHA-256 of its signed record, 32 bytes. */
  readonly capabilities: Uint8Array
  /** ms since it said so. */
  readonly ageMs: number
}

export interface ClusterView {
  readonly id: string
  /** Those whose digests came of late, the most recent first; more than one for a moment only. */
  readonly coordinators: readonly NodeId[]
  readonly nodes: readonly ViewedNode[]
}

export interface RegionView {
  /** Empty: its clusters' members declare none. */
  readonly name: string
  readonly clusters: readonly ClusterView[]
}

function stateOf({ gone }: NodeEntry, ageMs: number): NodeState {
  return gone?.state ?? (ageMs > digestTimes.lateAfterMs ? 'late' : 'alive')
}

export function viewedNode(entry: NodeEntry, ageMs: number): ViewedNode {
  const { value } = entry.anchor
  return {
    id: value.node,
    cluster: value.cluster,
    region: value.region,
    state: stateOf(entry, ageMs),
    health: value.health,
    load: entry.load,
    slots: value.slots,
    kvTokensTotal: value.kvTokensTotal,
    tokensPerSecond: value.tokensPerSecond,
    capabilities: value.capabilities,
    ageMs,
  }
}

/** Of each state, how many nodes. */
export function statesOf(book: EntryBook, nowMs: number): Record<NodeState, number> {
  const counts: Record<NodeState, number> = { alive: 0, late: 0, suspect: 0, dead: 0, left: 0 }
  for (const entry of book.entries()) {
    counts[stateOf(entry, book.ageMs(entry, nowMs))] += 1
  }
  return counts
}

/** A cluster is in the region that most of its members declare. */
export function regionsOf(book: EntryBook, by: Coordinators, nowMs: number): RegionView[] {
  const regions = new Map<string, ClusterView[]>()
  for (const cluster of book.clusters.values()) {
    const name = regionOf(cluster)
    const nodes: ViewedNode[] = []
    for (const entry of cluster.members.values()) {
      nodes.push(viewedNode(entry, book.ageMs(entry, nowMs)))
    }
    nodes.sort((a, b) => (a.id < b.id ? -1 : 1))
    const recently = by.of(cluster.id).filter(({ atMs }) => nowMs - atMs < digestTimes.lateAfterMs)
    const view = { id: cluster.id, coordinators: recently.map(({ id }) => id), nodes }
    const clusters = regions.get(name)
    if (clusters === undefined) regions.set(name, [view])
    else clusters.push(view)
  }
  const sorted = [...regions].sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([name, clusters]) => ({
    name,
    clusters: clusters.sort((a, b) => (a.id < b.id ? -1 : 1)),
  }))
}

function regionOf({ members }: ClusterEntry): string {
  const votes = new Map<string, number>()
  for (const { anchor } of members.values()) {
    const { region } = anchor.value
    votes.set(region, (votes.get(region) ?? 0) + 1)
  }
  const ranked = [...votes].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  return ranked[0]?.[0] ?? ''
}
