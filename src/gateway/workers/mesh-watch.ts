/**
 * The mesh as this gateway sees it: regions, their clusters, their members.
 *
 * Three sources, each better at something: the federation's view knows every node's own word, the
 * mesh knows who of this gateway's own cluster is alive, and connections know what they measured.
 */
import type { MeshMember, NodeState, RegionView, ViewedNode } from '../../mesh/index.ts'
import { isNodeId, type NodeHealth, type NodeId } from '../../protocol/index.ts'
import type { KnownWorker, WorkerRegistry } from './registry.ts'

export interface MeshWatchModules {
  readonly self: NodeId
  readonly registry: Pick<WorkerRegistry, 'all'>
  readonly clock: { monotonic(): number }
  readonly mesh?:
    | {
        members(): readonly MeshMember[]
        /** The cluster that this gateway is in. */
        readonly place?: { readonly cluster: string; readonly coordinator: NodeId } | undefined
      }
    | undefined
  /** What digests tell; without it only what this gateway itself is connected to is known. */
  readonly federation?: { regions(nowMs: number): readonly RegionView[] } | undefined
}

export interface WatchedMember {
  readonly id: NodeId
  readonly role: 'node' | 'gateway'
  readonly state: NodeState
  readonly region: string
  /** null: it says none, or has not said it here. */
  readonly cluster: string | null
  readonly health: NodeHealth | null
  readonly roundTripMs: number | null
  /** Measured on a link, or predicted by coordinates. */
  readonly roundTripSource: 'measured' | 'predicted' | null
  readonly load: {
    readonly running: number
    readonly waiting: number
    readonly kvTokensFree: number
  } | null
  readonly slots: number | null
  readonly tokensPerSecond: number | null
  /** ms since it said its load; null: unknown. */
  readonly ageMs: number | null
}

export interface WatchedCluster {
  readonly id: string | null
  /** More than one for a moment only. */
  readonly coordinators: readonly NodeId[]
  readonly members: readonly WatchedMember[]
}

export interface WatchedRegion {
  readonly name: string
  readonly clusters: readonly WatchedCluster[]
}

export class MeshWatch {
  readonly #modules: MeshWatchModules

  constructor(modules: MeshWatchModules) {
    this.#modules = modules
  }

  /** Each level in the order of its name; what has none comes last. */
  regions(): readonly WatchedRegion[] {
    const members = new Map<NodeId, WatchedMember>()
    const coordinators = new Map<string, readonly NodeId[]>()
    const regionOfCluster = new Map<string, string>()
    this.#addFederation({ members, coordinators, regionOfCluster })
    this.#addWorkers(members)
    this.#addMesh(members, coordinators)
    return grouped(members.values(), { coordinators, regionOfCluster })
  }

  cluster(id: string): (WatchedCluster & { readonly region: string }) | undefined {
    for (const { name, clusters } of this.regions()) {
      for (const cluster of clusters) if (cluster.id === id) return { ...cluster, region: name }
    }
    return undefined
  }

  #addFederation(into: Gathered): void {
    const { clock, federation } = this.#modules
    for (const { name, clusters } of federation?.regions(clock.monotonic()) ?? []) {
      for (const cluster of clusters) {
        into.coordinators.set(cluster.id, cluster.coordinators)
        into.regionOfCluster.set(cluster.id, name)
        for (const node of cluster.nodes) into.members.set(node.id, ofView(node))
      }
    }
  }

  /** A connection's own figures are newer than any digest's. */
  #addWorkers(members: Map<NodeId, WatchedMember>): void {
    for (const { worker, view } of this.#modules.registry.all()) {
      const { id } = worker
      if (view.record === null || !isNodeId(id)) continue
      members.set(id, ofWorker(id, view, members.get(id)))
    }
  }

  #addMesh(
    members: Map<NodeId, WatchedMember>,
    coordinators: Map<string, readonly NodeId[]>,
  ): void {
    const { mesh, self } = this.#modules
    const place = mesh?.place
    if (place !== undefined && !coordinators.has(place.cluster)) {
      coordinators.set(place.cluster, [place.coordinator])
    }
    const cluster = place?.cluster ?? null
    const unseen = { ...unknown, region: '', cluster }
    if (mesh !== undefined) {
      members.set(self, { ...unseen, id: self, role: 'gateway', state: 'alive' })
    }
    for (const { id, link, estimate, role, state } of mesh?.members() ?? []) {
      const known = members.get(id)
      const measuredMs = known?.roundTripMs ?? link?.medianMs
      members.set(id, {
        ...(known ?? unseen),
        id,
        role,
        state,
        cluster: known?.cluster ?? cluster,
        roundTripMs: measuredMs ?? estimate?.ms ?? null,
        roundTripSource: measuredMs === undefined ? (estimate?.source ?? null) : 'measured',
      })
    }
  }
}

interface Gathered {
  readonly members: Map<NodeId, WatchedMember>
  readonly coordinators: Map<string, readonly NodeId[]>
  readonly regionOfCluster: Map<string, string>
}

const unknown = {
  health: null,
  roundTripMs: null,
  roundTripSource: null,
  load: null,
  slots: null,
  tokensPerSecond: null,
  ageMs: null,
} as const

function ofView(node: ViewedNode): WatchedMember {
  const { ageMs, cluster, health, id, load, region, slots, state, tokensPerSecond } = node
  const figures = { health, load, slots, tokensPerSecond, ageMs: Math.round(ageMs) }
  return { ...unknown, ...figures, id, role: 'node', state, region, cluster }
}

function ofWorker(
  id: NodeId,
  view: KnownWorker['view'],
  known: WatchedMember | undefined,
): WatchedMember {
  const { connected, load, models, overdue, region, roundTripMs } = view
  const { kvTokensFree, running, waiting } = load
  const slots = Math.max(0, ...models.map((model) => model.slots))
  const speeds = models.map((model) => model.decodeTokensPerSecond * model.slots)
  const own: WatchedMember = {
    id,
    role: 'node',
    state: connected ? (overdue ? 'late' : 'alive') : 'dead',
    region,
    cluster: null,
    health: load.draining ? 'draining' : 'good',
    roundTripMs: roundTripMs ?? null,
    roundTripSource: roundTripMs === undefined ? null : 'measured',
    load: { running, waiting, kvTokensFree },
    slots,
    tokensPerSecond: Math.max(0, ...speeds),
    ageMs: null,
  }
  if (known === undefined) return own
  // Gone from here it may still be well elsewhere.
  if (!connected) return known
  const { cluster, tokensPerSecond } = known
  return { ...own, cluster, tokensPerSecond }
}

function grouped(
  members: Iterable<WatchedMember>,
  of: Pick<Gathered, 'coordinators' | 'regionOfCluster'>,
): WatchedRegion[] {
  const regions = new Map<string, Map<string | null, WatchedMember[]>>()
  for (const member of members) {
    const { cluster } = member
    const known = cluster === null ? undefined : of.regionOfCluster.get(cluster)
    // A cluster is shown once, in the region of the first of its members that names one.
    const name = known ?? member.region
    if (cluster !== null && name !== '') of.regionOfCluster.set(cluster, name)
    const clusters = regions.get(name) ?? new Map<string | null, WatchedMember[]>()
    regions.set(name, clusters)
    const list = clusters.get(cluster)
    if (list === undefined) clusters.set(cluster, [member])
    else list.push(member)
  }
  return [...regions]
    .sort(([a], [b]) => order(a, b))
    .map(([name, clusters]) => ({
      name,
      clusters: [...clusters]
        .sort(([a], [b]) => order(a ?? '', b ?? ''))
        .map(([id, list]) => ({
          id,
          coordinators: id === null ? [] : (of.coordinators.get(id) ?? []),
          members: list.sort((a, b) => order(a.id, b.id)),
        })),
    }))
}

/** By name; nameless last. */
function order(a: string, b: string): number {
  if (a === '' || b === '') return a === b ? 0 : a === '' ? 1 : -1
  return a < b ? -1 : a > b ? 1 : 0
}
