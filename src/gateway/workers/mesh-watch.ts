/**
 * The mesh as this gateway sees it: regions, their clusters, their members.
 *
 * Three sources, each better at something: the federation's view knows every node's own word, the
 * mesh knows who of this gateway's own cluster is alive, and connections know what they measured.
 */
import type { MeshMember, NodeState, RegionView, ViewedNode } from '../../mesh/index.ts'
import { isNodeId, type NodeHealth, type NodeId } from '../../protocol/index.ts'
import type { KnownWorker, WorkerRegistry } from './registry.ts'
import { hearsay, type MeshHearsay, workerState } from './watched-state.ts'

export interface MeshWatchModules {
  readonly self: { readonly id: NodeId; readonly region: string }
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
    const fellows = new Map<NodeId, MeshMember>()
    for (const member of this.#modules.mesh?.members() ?? []) fellows.set(member.id, member)
    const coordinators = new Map<string, readonly NodeId[]>()
    const regionOfCluster = new Map<string, string>()
    this.#addFederation({ members, coordinators, regionOfCluster })
    const joined = this.#addWorkers(members, fellows)
    this.#addSelf(members, coordinators)
    for (const fellow of fellows.values()) this.#addFellow(members, fellow, joined)
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

  /** A connection's own figures are newer than any digest's. @returns whose these are */
  #addWorkers(
    members: Map<NodeId, WatchedMember>,
    fellows: ReadonlyMap<NodeId, MeshMember>,
  ): ReadonlySet<NodeId> {
    const { clock, mesh, registry } = this.#modules
    const joined = new Set<NodeId>()
    const nowMs = clock.monotonic()
    for (const known of registry.all()) {
      const { id } = known.worker
      if (known.view.record === null || !isNodeId(id)) continue
      const viewed = members.get(id)
      const heard = { viewed, member: fellows.get(id)?.state, home: mesh?.place?.cluster }
      members.set(id, ofWorker(id, known, { heard, viewed, nowMs }))
      joined.add(id)
    }
    return joined
  }

  #addSelf(
    members: Map<NodeId, WatchedMember>,
    coordinators: Map<string, readonly NodeId[]>,
  ): void {
    const { mesh, self } = this.#modules
    if (mesh === undefined) return
    const { place } = mesh
    if (place !== undefined && !coordinators.has(place.cluster)) {
      coordinators.set(place.cluster, [place.coordinator])
    }
    const cluster = place?.cluster ?? null
    members.set(self.id, { ...unknown, ...self, cluster, role: 'gateway', state: 'alive' })
  }

  /** What the gateway's own cluster knows of a member. */
  #addFellow(
    members: Map<NodeId, WatchedMember>,
    { estimate, id, link, region, role, state }: MeshMember,
    joined: ReadonlySet<NodeId>,
  ): void {
    const home = this.#modules.mesh?.place?.cluster
    const known = members.get(id)
    const measuredMs = known?.roundTripMs ?? link?.medianMs
    const heard = hearsay({ viewed: known, member: state, home }) ?? state
    members.set(id, {
      ...(known ?? { ...unknown, region }),
      id,
      role,
      // Where it has a connection, that was weighed already.
      state: known !== undefined && joined.has(id) ? known.state : heard,
      cluster: known?.cluster ?? home ?? null,
      roundTripMs: measuredMs ?? estimate?.ms ?? null,
      roundTripSource: measuredMs === undefined ? (estimate?.source ?? null) : 'measured',
    })
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

interface WorkerSights {
  readonly heard: MeshHearsay
  /** What digests tell of it. */
  readonly viewed: WatchedMember | undefined
  readonly nowMs: number
}

function ofWorker(id: NodeId, known: KnownWorker, sights: WorkerSights): WatchedMember {
  const { foreseen, view } = known
  const { connected, load, models, region, roundTripMs } = view
  const { heard, nowMs, viewed } = sights
  const { kvTokensFree, running, waiting } = load
  const state = workerState(known, heard, nowMs)
  const cluster = viewed?.cluster ?? foreseen?.cluster ?? null
  // Gone from here, it says its load to others.
  if (!connected && viewed !== undefined) return { ...viewed, state }
  const speeds = models.map((model) => model.decodeTokensPerSecond)
  return {
    id,
    role: 'node',
    state,
    region,
    cluster,
    health: load.draining ? 'draining' : 'good',
    roundTripMs: roundTripMs ?? null,
    roundTripSource: roundTripMs === undefined ? null : 'measured',
    load: { running, waiting, kvTokensFree },
    slots: Math.max(0, ...models.map((model) => model.slots)),
    tokensPerSecond: viewed?.tokensPerSecond ?? Math.max(0, ...speeds),
    ageMs: null,
  }
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
