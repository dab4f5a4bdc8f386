/**
 * Nodes, coordinators and gateways on a network without sockets: one clock, delays, loss and
 * partitions from one seed. Each cluster's first living node coordinates, as if membership said so.
 */
import { type Random, seededRandom } from '../../base/index.ts'
import {
  type LoadFigures,
  type LoadMessage,
  type NodeHealth,
  type NodeId,
  nodeIdOf,
} from '../../protocol/index.ts'
import { DigestPublisher } from './digest-publisher.ts'
import { FederationView } from './federation-view.ts'
import { loadMessageBytes } from './message-bytes.ts'
import { type OwnFacts, OwnLoad } from './own-load.ts'
import { simulatedSeals } from './seals.ts'
import type { LoadEvent, LoadOutputs } from './step.ts'

export interface LoadNetworkOptions {
  readonly seed: number
  readonly regions: number
  readonly clustersPerRegion: number
  readonly nodesPerCluster: number
  readonly gatewaysPerRegion: number
  readonly loss?: number
}

export interface Node {
  readonly id: NodeId
  readonly region: number
  readonly cluster: string
  readonly own: OwnLoad
  readonly publisher: DigestPublisher
  up: boolean
  facts: OwnFacts
  wakeAtMs: number
}

export interface Gateway {
  readonly id: NodeId
  readonly region: number
  view: FederationView
  up: boolean
  wakeAtMs: number
  bytesIn: number
  messagesIn: number
}

interface Arrival {
  readonly to: NodeId
  readonly from: NodeId
  readonly message: LoadMessage
}

/** Wall clocks start here. */
const startMs = 1_800_000_000_000
const stepMs = 10
const capabilities = new Uint8Array(32).fill(5)

export class LoadNetwork {
  nowMs = 0
  readonly nodes: Node[] = []
  readonly gateways: Gateway[] = []
  readonly events: { readonly at: NodeId; readonly event: LoadEvent }[] = []
  readonly random: Random
  readonly clock = { now: () => startMs + this.nowMs }
  /** Regions between which nothing gets through. */
  isCut: (from: number, to: number) => boolean = () => false
  /** What a hostile host makes of what an honest one would send; undefined: nothing. */
  tamper: (from: NodeId, to: NodeId, message: LoadMessage) => LoadMessage | undefined = (
    _from,
    _to,
    message,
  ) => message
  readonly #options: LoadNetworkOptions
  readonly #byId = new Map<NodeId, Node | Gateway>()
  /** By the step in which they arrive. */
  readonly #arrivals = new Map<number, Arrival[]>()

  constructor(options: LoadNetworkOptions) {
    this.#options = options
    this.random = seededRandom(options.seed)
    const { clustersPerRegion, gatewaysPerRegion, nodesPerCluster, regions } = options
    for (let region = 0; region < regions; region += 1) {
      for (let i = 0; i < gatewaysPerRegion; i += 1) this.#addGateway(region)
      for (let c = 0; c < clustersPerRegion; c += 1) {
        for (let i = 0; i < nodesPerCluster; i += 1) this.#addNode(region, `cluster-${region}-${c}`)
      }
    }
    this.introduceGateways()
    this.appoint()
  }

  /** Everyone learns of the gateways that are up. */
  introduceGateways(): void {
    const gateways = this.gateways.filter(({ up }) => up).map(({ id }) => id)
    for (const gateway of this.gateways) {
      this.#out(gateway, gateway.view.step({ kind: 'gateways', gateways }, this.nowMs))
    }
  }

  /** Each cluster's first living node coordinates. */
  appoint(extra: readonly NodeId[] = []): void {
    const first = new Map<string, NodeId>()
    for (const { cluster, id, up } of this.nodes) {
      if (up && !first.has(cluster)) first.set(cluster, id)
    }
    for (const node of this.nodes.filter(({ up }) => up)) {
      const coordinator = first.get(node.cluster)
      const local = this.gateways.filter(({ region, up }) => up && region === node.region)
      const gateways = local.map(({ id }) => id)
      const isCoordinating = coordinator === node.id || extra.includes(node.id)
      const cluster = isCoordinating ? node.cluster : undefined
      node.publisher.step({ kind: 'gateways', gateways }, this.nowMs)
      this.#out(node, node.publisher.step({ kind: 'role', cluster }, this.nowMs))
      this.#out(node, node.own.step({ kind: 'listeners', coordinator, gateways }, this.nowMs))
    }
  }

  load(node: Node, load: LoadFigures, health: NodeHealth = 'good'): void {
    node.facts = { ...node.facts, load, health }
    this.#out(node, node.own.step({ kind: 'facts', facts: node.facts }, this.nowMs))
  }

  /** A gateway's new process, which remembers nothing. */
  restart(gateway: Gateway): void {
    gateway.up = true
    gateway.view = this.#newView(gateway.id)
    gateway.wakeAtMs = this.nowMs
    this.introduceGateways()
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs
    while (this.nowMs < untilMs) {
      this.nowMs += stepMs
      const arrivals = this.#arrivals.get(this.nowMs)
      this.#arrivals.delete(this.nowMs)
      for (const arrival of arrivals ?? []) this.#arrive(arrival)
      for (const node of this.nodes) if (node.up && this.nowMs >= node.wakeAtMs) this.#wake(node)
      for (const gateway of this.gateways) {
        if (!gateway.up || this.nowMs < gateway.wakeAtMs) continue
        this.#out(gateway, gateway.view.step({ kind: 'tick' }, this.nowMs))
      }
    }
  }

  send(from: NodeId, to: NodeId, message: LoadMessage): void {
    const [sender, receiver] = [this.#byId.get(from), this.#byId.get(to)]
    if (sender === undefined || receiver === undefined) return
    if (this.isCut(sender.region, receiver.region)) return
    if (this.random.float() < (this.#options.loss ?? 0)) return
    const meanMs = sender.region === receiver.region ? 10 : 100
    const delayMs = meanMs * (0.7 + 0.6 * this.random.float())
    const atMs = Math.ceil((this.nowMs + delayMs) / stepMs) * stepMs
    const queue = this.#arrivals.get(atMs)
    if (queue === undefined) this.#arrivals.set(atMs, [{ from, to, message }])
    else queue.push({ from, to, message })
  }

  /** ms, of every node at every gateway that is up; Infinity where it is not known. */
  ages(): number[] {
    const ages: number[] = []
    for (const { up, view } of this.gateways) {
      if (!up) continue
      for (const { id, up } of this.nodes) {
        if (up) ages.push(view.node(id, this.nowMs)?.ageMs ?? Number.POSITIVE_INFINITY)
      }
    }
    return ages
  }

  #wake(node: Node): void {
    node.wakeAtMs = Number.POSITIVE_INFINITY
    this.#out(node, node.own.step({ kind: 'tick' }, this.nowMs))
    this.#out(node, node.publisher.step({ kind: 'tick' }, this.nowMs))
  }

  #arrive({ from, message, to }: Arrival): void {
    const host = this.#byId.get(to)
    if (host === undefined || !host.up) return
    if ('view' in host) {
      host.bytesIn += loadMessageBytes(message)
      host.messagesIn += 1
      this.#out(host, host.view.step({ kind: 'message', from, message }, this.nowMs))
      return
    }
    switch (message.kind) {
      case 'news':
        this.#out(host, host.publisher.step({ ...message, from }, this.nowMs))
        return
      case 'ack':
        this.#out(host, host.publisher.step({ ...message, from }, this.nowMs))
        return
      case 'wants':
        this.#out(host, host.own.step({ ...message, from }, this.nowMs))
        return
      case 'digest':
      case 'summary':
        return
    }
  }

  #out(host: Node | Gateway, { events, sends, wakeAtMs }: LoadOutputs): void {
    host.wakeAtMs = 'view' in host ? wakeAtMs : Math.min(host.wakeAtMs, wakeAtMs)
    for (const event of events) this.events.push({ at: host.id, event })
    for (const { message, to } of sends) {
      const sent = this.tamper(host.id, to, message)
      if (sent !== undefined) this.send(host.id, to, sent)
    }
  }

  #addGateway(region: number): void {
    const id = nodeIdOf(this.random.bytes(32))
    const gateway = {
      id,
      region,
      view: this.#newView(id),
      up: true,
      wakeAtMs: 0,
      bytesIn: 0,
      messagesIn: 0,
    }
    this.gateways.push(gateway)
    this.#byId.set(id, gateway)
  }

  #newView(id: NodeId): FederationView {
    const modules = { random: this.random, clock: this.clock, seals: simulatedSeals(id) }
    return new FederationView(id, modules, this.nowMs)
  }

  /** They begin within the first second. */
  #addNode(region: number, cluster: string): void {
    const id = nodeIdOf(this.random.bytes(32))
    const modules = { random: this.random, clock: this.clock, seals: simulatedSeals(id) }
    const node: Node = {
      id,
      region,
      cluster,
      own: new OwnLoad(id, modules),
      publisher: new DigestPublisher(id, modules),
      up: true,
      facts: {
        cluster,
        region: `region-${region}`,
        capabilities,
        slots: 8,
        kvTokensTotal: 100_000,
        tokensPerSecond: 800,
        health: 'good',
        load: { running: 0, waiting: 0, kvTokensFree: 100_000 },
      },
      wakeAtMs: this.nowMs + this.random.float() * 1_000,
    }
    this.nodes.push(node)
    this.#byId.set(id, node)
  }
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
