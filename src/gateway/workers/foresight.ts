/**
 * Brings what the mesh knows of nodes into the registry before anybody asks for it: who is doubted,
 * how busy each is by now, how far the unmeasured are. A request only reads what lies there.
 */
import type { Clock, Timer } from '../../base/index.ts'
import type { FederationView, MemberState, ViewedNode } from '../../mesh/index.ts'
import type { LoadReport, NodeId } from '../../protocol/index.ts'
import type { Foreseen, RoundTrip } from './foreseen.ts'
import type { LatencyWatch } from './latency-watch.ts'
import type { KnownNode, WorkerRegistry } from './registry.ts'
import type { RemoteWorker } from './remote-worker.ts'

/** What is asked of the mesh. */
export interface MeshSight {
  /** Of this gateway's cluster. */
  readonly states: {
    /** Tells of each change. */
    watch(listener: (id: NodeId, state: MemberState) => void): void
    /** undefined: it is no member, and was none. */
    of(id: NodeId): MemberState | undefined
  }
  /** Measured, or by coordinates that can be relied on. */
  roundTrip(
    id: NodeId,
  ): { readonly ms: number; readonly source: 'measured' | 'predicted' } | undefined
  readonly federation?: Pick<FederationView, 'node'> | undefined
}

export interface ForesightModules {
  readonly clock: Clock
  readonly registry: Pick<WorkerRegistry, 'nodes' | 'node' | 'changed' | 'catchUp'>
  readonly latencies: Pick<LatencyWatch, 'cell' | 'estimate'>
  /** Without it, only what nodes report and links show. */
  readonly mesh?: MeshSight | undefined
}

/** Requests of a quarter of a second are what a prediction misses at most. */
const lookIntervalMs = 250
/** 2 ms of work at a look; more nodes take turns. */
const nodesPerLook = 512
/** Links to a region whose median is what is usual there. */
const regionLinksMax = 64

export class Foresight {
  readonly #modules: ForesightModules
  #timer: Timer | undefined
  /** Where the last look ended. */
  #turn: Iterator<KnownNode> | undefined
  #isStopped = false

  constructor(modules: ForesightModules) {
    this.#modules = modules
  }

  start(): void {
    this.#modules.mesh?.states.watch((id, state) => this.#changed(id, state))
    this.#schedule()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** A node has a connection here; before its first request. */
  joined(worker: RemoteWorker): void {
    const node = this.#modules.registry.node(worker.id)
    if (node === undefined) return
    node.foreseen.joined(this.#now())
    this.#look(node)
  }

  reported({ id, record }: RemoteWorker, load: LoadReport): void {
    const { models } = record
    const { running, waiting, kvTokensFree, promptTokensUnread } = load
    const slots = Math.max(1, ...models.map((model) => model.slots))
    const tokensPerSecond = Math.max(0, ...models.map((model) => model.decodeTokensPerSecond))
    const prefillTokensPerSecond = Math.max(0, ...models.map((one) => one.prefillTokensPerSecond))
    const counts = { running, waiting, kvTokensFree, promptTokensUnread }
    const speed = { slots, tokensPerSecond, prefillTokensPerSecond }
    const { registry } = this.#modules
    registry.node(id)?.foreseen.reported({ ...counts, ...speed }, this.#now())
    registry.changed(id)
  }

  #schedule(): void {
    if (this.#isStopped) return
    this.#timer = this.#modules.clock.after(lookIntervalMs, () => {
      this.#lookAround()
      this.#schedule()
    })
  }

  #lookAround(): void {
    this.#turn ??= this.#modules.registry.nodes()
    for (let looked = 0; looked < nodesPerLook; looked += 1) {
      const next = this.#turn.next()
      if (next.done === true) {
        this.#turn = undefined
        break
      }
      this.#look(next.value)
    }
    this.#modules.registry.catchUp()
  }

  #changed(id: NodeId, state: MemberState): void {
    const node = this.#modules.registry.node(id)
    if (node === undefined) return
    node.foreseen.held(state, this.#now())
    this.#look(node)
  }

  #look({ worker, foreseen }: KnownNode): void {
    const { mesh } = this.#modules
    const nowMs = this.#now()
    const { id } = worker
    const viewed = mesh?.federation?.node(id, nowMs)
    foreseen.held(mesh?.states.of(id) ?? stateOf(viewed), nowMs)
    const link = worker.link()
    if (foreseen.seen(link, nowMs)) worker.connection.probe()
    if (viewed !== undefined) {
      foreseen.cluster = viewed.cluster
      foreseen.told(loadOf(viewed, nowMs))
    }
    foreseen.foresee(nowMs)
    if (link?.roundTripMs === undefined) this.#place(worker, foreseen)
    this.#modules.registry.changed(id)
  }

  #place(worker: RemoteWorker, foreseen: Foreseen): void {
    const { mesh } = this.#modules
    const known = mesh?.roundTrip(worker.id) ?? this.#byMap(worker) ?? this.#byRegion(worker)
    if (known !== undefined) foreseen.place(known)
  }

  #byMap({ record }: RemoteWorker): RoundTrip | undefined {
    const { latencies } = this.#modules
    if (latencies.cell === '' || record.cell === '') return undefined
    const estimate = latencies.estimate(latencies.cell, record.cell)
    return estimate === undefined ? undefined : { ms: estimate.medianMs, source: 'map' }
  }

  /** The median of the links to others there. */
  #byRegion({ record }: RemoteWorker): RoundTrip | undefined {
    const { region } = record
    if (region === '') return undefined
    const times: number[] = []
    for (const { worker } of this.#modules.registry.nodes()) {
      if (times.length >= regionLinksMax) break
      const ms = worker.record.region === region ? worker.link()?.roundTripMs : undefined
      if (ms !== undefined) times.push(ms)
    }
    times.sort((a, b) => a - b)
    const ms = times[times.length >> 1]
    return ms === undefined ? undefined : { ms, source: 'region' }
  }

  #now(): number {
    return this.#modules.clock.monotonic()
  }
}

/** Late is not dead: the way may be long, and its coordinator says more. */
function stateOf(viewed: ViewedNode | undefined): MemberState {
  return viewed === undefined || viewed.state === 'late' ? 'alive' : viewed.state
}

function loadOf(viewed: ViewedNode, nowMs: number) {
  const { ageMs, load, slots, tokensPerSecond } = viewed
  return { ...load, slots, tokensPerSecond, saidAtMs: nowMs - ageMs }
}
