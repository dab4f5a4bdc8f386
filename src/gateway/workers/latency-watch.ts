/**
 * What this gateway learns of distances: the latency map, and whether nodes can be where they say.
 * From its own links, and from what its nodes say they measured of each other.
 *
 * Only for a gateway that declares its own cell. The cells of the earth are loaded when the first
 * node declares one; who declares nothing pays nothing.
 */
import type { Clock, Log, Timer } from '../../base/index.ts'
import {
  type CellGrid,
  type LatencyEstimate,
  LatencyMap,
  type LatencyMapSnapshot,
  LocationCheck,
  type LocationEvent,
  type LocationVerdict,
  loadCellGrid,
  type MapPair,
} from '../../mesh/index.ts'
import { type LinkReport, type NodeId, shortId, type WorkerId } from '../../protocol/index.ts'
import type { LinkQuality } from '../../transport/index.ts'
import type { WorkerRegistry } from './registry.ts'
import { RemoteWorker } from './remote-worker.ts'

/** Where the map is kept from one run to the next. */
export interface LatencyStore {
  /** Whatever was kept; undefined: nothing. */
  load(): unknown
  /** While the gateway goes on: a disk may take seconds. Rejects where it cannot be kept. */
  save(snapshot: LatencyMapSnapshot): Promise<void>
}

export interface LatencyWatchOptions {
  readonly self: NodeId
  /** The cell that this gateway is in; empty: not declared. */
  readonly cell: string
}

export interface LatencyWatchModules {
  readonly clock: Clock
  readonly log: Log
  readonly registry: WorkerRegistry
  readonly latencyStore?: LatencyStore | undefined
  /** The cells of the earth; default: those of H3, from the mesh. */
  readonly loadGrid?: () => Promise<CellGrid>
}

/** Links are probed every 2 s and smoothed over eight probes: the next look sees something new. */
const lookIntervalMs = 10_000
/** The first probes of a link follow each other at once and say the same. */
const samplesMin = 3
/** 10 ms of work at a look; thousands of nodes take turns. */
const ownLinksPerLook = 512
/** The same for what nodes tell; a node at least, with 64 of them. */
const toldLinksPerLook = 512
/** A crash loses so much of what changes over days. */
const saveIntervalMs = 10 * 60_000
/** Mean deviations above the mean where a normal distribution has its 95th percentile. */
const p95Deviations = 2.06

interface Parts {
  readonly map: LatencyMap
  readonly locations: LocationCheck
}

export class LatencyWatch {
  readonly #options: LatencyWatchOptions
  readonly #modules: LatencyWatchModules
  #parts: Parts | undefined
  #isLoading = false
  #declared: ReadonlySet<NodeId> = new Set()
  /** Of each node the latest, until the next look: telling more often brings nobody more weight. */
  readonly #heard = new Map<NodeId, readonly LinkReport[]>()
  /** How many of the nodes had their turn. */
  #turn = 0
  #timer: Timer | undefined
  #savedAtMs = 0
  #stopped = false

  constructor(options: LatencyWatchOptions, modules: LatencyWatchModules) {
    this.#options = options
    this.#modules = modules
  }

  get cell(): string {
    return this.#options.cell
  }

  get map(): LatencyMap | undefined {
    return this.#parts?.map
  }

  start(): void {
    if (this.#options.cell !== '') this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#save()
  }

  /** What a joined node says of its ways to others. */
  hear(reporter: NodeId, links: readonly LinkReport[]): void {
    if (this.#parts !== undefined) this.#heard.set(reporter, links)
  }

  /** The pairs of cells measured last. */
  pairs(limit: number): readonly MapPair[] {
    return this.#parts?.map.measured(limit, this.#now()) ?? []
  }

  /** undefined: one of them is no cell, or no map was begun. */
  estimate(from: string, to: string): LatencyEstimate | undefined {
    return this.#parts?.map.estimate(from, to, this.#now())
  }

  /** undefined: the node declares no location, or nothing can be said of it. */
  verdict(id: WorkerId): LocationVerdict | undefined {
    return this.#parts?.locations.verdict(id as NodeId, this.#now())
  }

  /** Nodes with a location, those whom someone contradicts first. */
  verdicts(limit: number): readonly { readonly id: NodeId; readonly verdict: LocationVerdict }[] {
    const all: { readonly id: NodeId; readonly verdict: LocationVerdict }[] = []
    for (const id of this.#parts?.locations.ids() ?? []) {
      if (all.length >= limit) break
      const verdict = this.verdict(id)
      if (verdict !== undefined && id !== this.#options.self) all.push({ id, verdict })
    }
    return all
  }

  /** How many locations are of which standing, this gateway's own included. */
  counts(): Readonly<Record<LocationVerdict['status'], number>> {
    return this.#parts?.locations.counts() ?? { consistent: 0, disputed: 0, refuted: 0 }
  }

  #now(): number {
    return this.#modules.clock.monotonic()
  }

  #schedule(): void {
    if (this.#stopped) return
    this.#timer = this.#modules.clock.after(lookIntervalMs, () => {
      this.#look()
      this.#schedule()
    })
  }

  #look(): void {
    const nodes = this.#modules.registry.all().flatMap(({ worker }) => {
      return worker instanceof RemoteWorker && worker.record.cell !== '' ? [worker] : []
    })
    if (this.#parts === undefined) {
      if (nodes.length > 0) void this.#load()
      return
    }
    this.#declare(this.#parts.locations, nodes)
    if (this.#turn >= nodes.length) this.#turn = 0
    const looked = nodes.slice(this.#turn, this.#turn + ownLinksPerLook)
    this.#turn += looked.length
    for (const node of looked) {
      const quality = node.link()
      if (quality !== undefined) this.#learn(this.#parts, node, quality)
    }
    this.#learnReports(this.#parts, nodes)
    const { locations } = this.#parts
    this.#tell(locations.step({ kind: 'tick' }, this.#now()).events)
    // Each time: a node that connects anew is another worker.
    for (const node of nodes) node.setLocationRefuted(locations.isRefuted(node.id))
    if (this.#now() - this.#savedAtMs >= saveIntervalMs) this.#save()
  }

  async #load(): Promise<void> {
    if (this.#isLoading) return
    this.#isLoading = true
    const { log, latencyStore } = this.#modules
    try {
      const grid = await (this.#modules.loadGrid ?? loadCellGrid)()
      if (grid.place(this.#options.cell) === undefined) {
        log.warn('the declared cell is none, or too fine; no latency map is kept', {
          cell: this.#options.cell,
        })
        return
      }
      const parts: Parts = { map: new LatencyMap(grid), locations: new LocationCheck(grid) }
      const links = parts.map.restore(latencyStore?.load(), this.#now())
      if (links > 0) log.info('latency map restored', { links })
      this.#savedAtMs = this.#now()
      this.#parts = parts
    } catch (error) {
      log.warn('the cells of the earth cannot be loaded', { cause: String(error) })
    }
  }

  #declare(locations: LocationCheck, nodes: readonly RemoteWorker[]): void {
    const { self, cell } = this.#options
    const now = this.#now()
    const present = new Set(nodes.map(({ id }) => id))
    for (const id of this.#declared) {
      if (present.has(id)) continue
      this.#tell(locations.step({ kind: 'declared', id, cell: null }, now).events)
    }
    this.#tell(locations.step({ kind: 'declared', id: self, cell }, now).events)
    for (const { id, record } of nodes) {
      this.#tell(locations.step({ kind: 'declared', id, cell: record.cell }, now).events)
    }
    this.#declared = present
  }

  #learn({ map, locations }: Parts, { id, record }: RemoteWorker, quality: LinkQuality): void {
    const { roundTripMs, roundTripMinMs, jitterMs, loss, samples } = quality
    if (roundTripMs === undefined || jitterMs === undefined || samples < samplesMin) return
    const { self, cell } = this.#options
    const now = this.#now()
    const measured = {
      from: cell,
      to: record.cell,
      link: `${self} ${id}`,
      medianMs: roundTripMs,
      p95Ms: roundTripMs + p95Deviations * jitterMs,
      jitterMs,
      loss: loss ?? 0,
    }
    map.observe(measured, now)
    const shortestMs = roundTripMinMs ?? roundTripMs
    const input = { kind: 'measured', witness: self, id, roundTripMs: shortestMs } as const
    this.#tell(locations.step(input, now).events)
  }

  /** Only between joined nodes with a location, and only of the reporter's own ways. */
  #learnReports({ map, locations }: Parts, nodes: readonly RemoteWorker[]): void {
    const now = this.#now()
    const cells = new Map(nodes.map(({ id, record }) => [id, record.cell]))
    let told = 0
    for (const [reporter, links] of this.#heard) {
      if (told >= toldLinksPerLook) break
      told += links.length
      this.#heard.delete(reporter)
      const from = cells.get(reporter)
      if (from === undefined) continue
      for (const { peer, ...measured } of links) {
        const to = cells.get(peer)
        if (to === undefined || peer === reporter) continue
        map.observe({ from, to, link: `${reporter} ${peer}`, ...measured }, now)
        const { medianMs: roundTripMs } = measured
        const input = { kind: 'measured', witness: reporter, id: peer, roundTripMs } as const
        this.#tell(locations.step(input, now).events)
      }
    }
  }

  #tell(events: readonly LocationEvent[]): void {
    const { log } = this.#modules
    for (const event of events) {
      const node = shortId(event.id)
      if (event.kind === 'location-restored') log.info('declared location restored', { node })
      else if (event.kind === 'location-rejected') {
        log.warn('declared location is no cell', { node, cell: event.cell })
      } else {
        const { cell, witnesses, witnessesAsked } = event
        const against = witnesses.map(({ witness }) => shortId(witness)).join(' ')
        log.warn('declared location refuted by the speed of light', {
          node,
          cell,
          against,
          witnesses: witnessesAsked,
        })
      }
    }
  }

  #save(): void {
    const { latencyStore, log } = this.#modules
    if (this.#parts === undefined || latencyStore === undefined) return
    this.#savedAtMs = this.#now()
    latencyStore.save(this.#parts.map.snapshot(this.#now())).catch((error: unknown) => {
      log.warn('the latency map cannot be kept', { cause: String(error) })
    })
  }
}
