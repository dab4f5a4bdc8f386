/**
 * The worker: it joins gateways, tells them what it has and how busy it is, and serves what they
 * ask.
 */
import { type Clock, type Log, type Random, sleep, type Timer } from '../base/index.ts'
import type { Engine } from '../engine/index.ts'
import {
  type ContactStore,
  defaultClusterRules,
  type LoadFacts,
  MeshAgent,
  type MeshMember,
} from '../mesh/index.ts'
import {
  type HardwareReport,
  hashBody,
  type Identity,
  IsochroneError,
  type LoadReport,
  methods,
  type NodeId,
  type NodeRecord,
  type OfferedModel,
} from '../protocol/index.ts'
import {
  type Connection,
  healthHandler,
  serveCalls,
  type Transport,
  type TransportEvents,
} from '../transport/index.ts'
import type { GatewayAddress } from './gateway-address.ts'
import { GatewayLink, type KnownGateways } from './gateway-link.ts'
import { HeldGateways } from './held-gateways.ts'
import { type NodeLimits, nodeLimits } from './limits.ts'
import { linkReports } from './link-reports.ts'
import { type MeasuredSpeed, notMeasured } from './measure/benchmark.ts'
import { OpenCalls } from './open-calls.ts'
import { RecordKeeper } from './record-keeper.ts'
import { createHandlers } from './serve.ts'

export interface NodeOptions {
  readonly gateways: readonly GatewayAddress[]
  readonly token: string
  readonly network: string
  readonly softwareVersion: string
  /** Declared; empty: not declared. */
  readonly region: string
  /** The H3 cell that it is in; default empty: not declared. */
  readonly cell?: string
  /** The 95th percentile of the round trips within a cluster; the mesh's own where not given. */
  readonly clusterBoundMs?: number
  /** `host:port` to be dialled at; undefined: only over connections that this node opens. */
  readonly listen?: string
  /** Micro-dollars per million tokens. */
  readonly promptPrice?: number
  readonly completionPrice?: number
  readonly limits?: Partial<NodeLimits>
}

export interface NodeModules {
  readonly identity: Identity
  readonly engine: Engine
  readonly createTransport: (events: TransportEvents) => Transport
  readonly hardware: HardwareReport
  /** By model name. */
  readonly speeds: ReadonlyMap<string, MeasuredSpeed>
  /** Whether products of integer matrices are exact here, now; the report's, where not given. */
  readonly checkItself?: () => Promise<boolean>
  readonly known: KnownGateways
  /** Where the last view of the mesh is kept; without it, the node takes no part in the mesh. */
  readonly contacts?: ContactStore
  /** Where others can dial what is bound; as it is bound, where this is not given. */
  readonly advertised?: (bound: string) => string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly onJoined?: (gateway: NodeId, address: string) => void
  readonly onLost?: (gateway: NodeId, reason: string) => void
}

export interface IsochroneNode {
  readonly id: NodeId
  /**
   * Resolves once a gateway is joined; the node keeps trying the others.
   * @throws IsochroneError when no gateway can be joined and trying again would not help
   */
  start(): Promise<void>
  /** What the node says of itself now. */
  record(): NodeRecord
  load(): LoadReport
  /** The gateways joined at present. */
  joined(): readonly NodeId[]
  /** The other members of the mesh, as this node sees them. */
  members(): readonly MeshMember[]
  /** Takes no new work, finishes what runs within the limit, leaves. */
  drain(): Promise<void>
  /** Leaves at once. */
  close(): Promise<void>
}

export function createNode(options: NodeOptions, modules: NodeModules): IsochroneNode {
  return new Worker(options, modules)
}

class Worker implements IsochroneNode {
  readonly #options: NodeOptions
  readonly #modules: NodeModules
  readonly #limits: NodeLimits
  readonly #records: RecordKeeper
  readonly #transport: Transport
  readonly #mesh: MeshAgent | undefined
  readonly #links: readonly GatewayLink[]
  readonly #stop = new AbortController()
  readonly #calls = new OpenCalls()
  readonly #held = new HeldGateways()
  #running = 0
  /** As many tokens as ever were free: all of them. */
  #kvTokensMost = 0
  #draining = false
  #onFirstJoin: (() => void) | undefined

  constructor(options: NodeOptions, modules: NodeModules) {
    this.#options = options
    this.#modules = modules
    this.#limits = { ...nodeLimits, ...options.limits }
    const { network, region, cell = '', softwareVersion } = options
    const lifeMs = this.#limits.recordLifeMs
    this.#records = new RecordKeeper({ network, region, cell, softwareVersion, lifeMs }, modules)
    this.#mesh = this.#createMesh()
    this.#transport = modules.createTransport({
      onStream: this.#serveStreams(),
      onConnection: (connection) => this.#expectGateway(connection),
    })
    this.#links = options.gateways.map((gateway) => this.#linkTo(gateway))
  }

  get id(): NodeId {
    return this.#modules.identity.id
  }

  async start(): Promise<void> {
    const addresses: string[] = []
    if (this.#options.listen !== undefined) {
      const { address } = await this.#transport.listen(this.#options.listen)
      addresses.push(this.#modules.advertised?.(address) ?? address)
      this.#records.setAddresses(addresses)
    }
    this.#mesh?.start(addresses)
    const joined = new Promise<void>((resolve) => {
      this.#onFirstJoin = resolve
    })
    // A link ends only when the node stops, or with a fault that a person has to mend.
    const ended = this.#links.map((link) =>
      link.run().catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        this.#modules.log.error('a gateway cannot be joined', { reason })
        throw error
      }),
    )
    await Promise.race([joined, allFailed(ended)])
  }

  record(): NodeRecord {
    return this.#records.record(this.#offered(), this.#modules.clock.now()).record
  }

  load(): LoadReport {
    const { kvTokensFree, ...load } = this.#modules.engine.load()
    // An upstream may run more than its slots, for other clients: that leaves nothing, not less.
    return { ...load, kvTokensFree: Math.max(0, kvTokensFree), draining: this.#draining }
  }

  joined(): readonly NodeId[] {
    return this.#links.flatMap((link) => link.gateway ?? [])
  }

  members(): readonly MeshMember[] {
    return this.#mesh?.members() ?? []
  }

  async drain(): Promise<void> {
    this.#draining = true
    const left = this.#mesh?.leave()
    // A gateway that does not hear it learns it by the refusal of its next call.
    await Promise.allSettled(this.#links.map((link) => link.reportNow()))
    const limit = sleep(this.#modules.clock, this.#limits.drainLimitMs)
    await Promise.race([this.#calls.none(), limit])
    await left
    await this.close()
  }

  async close(): Promise<void> {
    this.#draining = true
    this.#stop.abort(new IsochroneError('node_draining', 'the node is stopping'))
    this.#mesh?.close()
    await Promise.allSettled(this.#links.map((link) => link.close()))
    await this.#transport.close()
  }

  #isJoined(gateway: NodeId): boolean {
    return this.#links.some((link) => link.gateway === gateway)
  }

  #createMesh(): MeshAgent | undefined {
    const { contacts } = this.#modules
    if (contacts === undefined) return undefined
    const { clusterBoundMs, network, region, token } = this.#options
    const rules = { ...defaultClusterRules, boundMs: clusterBoundMs ?? defaultClusterRules.boundMs }
    const transport: Pick<Transport, 'dial'> = {
      dial: (address, expected, signal) => this.#transport.dial(address, expected, signal),
    }
    const facts = () => this.#loadFacts()
    return new MeshAgent(
      { network, token, region, role: 'node', rules },
      { ...this.#modules, contacts, transport, facts },
    )
  }

  /** For the federation's gateways, by way of the mesh. */
  #loadFacts(): LoadFacts {
    const { draining, promptTokensUnread: _, ...load } = this.load()
    const models = this.#offered()
    this.#kvTokensMost = Math.max(this.#kvTokensMost, load.kvTokensFree)
    const { bytes } = this.#records.record(models, this.#modules.clock.now())
    return {
      region: this.#options.region,
      capabilities: hashBody(bytes),
      slots: Math.max(1, ...models.map(({ slots }) => slots)),
      kvTokensTotal: this.#kvTokensMost,
      tokensPerSecond: Math.max(0, ...models.map((model) => model.decodeTokensPerSecond)),
      health: draining ? 'draining' : 'good',
      load,
    }
  }

  /** A peer that dialled this node stays only while it is a joined gateway or a member. */
  #expectGateway(connection: Connection): void {
    let timer: Timer
    const look = () => {
      timer = this.#modules.clock.after(this.#limits.strangerWaitMs, () => {
        const { peer } = connection
        if (this.#isJoined(peer) || this.#mesh?.isKnown(peer) === true) look()
        else connection.close().catch(() => {})
      })
    }
    look()
    void connection.closed.then(() => timer.cancel())
  }

  #serveStreams(): TransportEvents['onStream'] {
    const { clock, engine, hardware, identity, log, random } = this.#modules
    const { network, softwareVersion } = this.#options
    const handlers = createHandlers(
      { network, softwareVersion, limits: this.#limits },
      {
        identity,
        engine,
        clock,
        random,
        log,
        models: () => this.#offered(),
        checkItself: this.#modules.checkItself ?? (async () => hardware.integerExact),
        isJoined: (gateway) => this.#isJoined(gateway),
        isDraining: () => this.#draining,
        onWork: (change) => this.#onWork(change),
        running: () => this.#running,
        stop: this.#stop.signal,
      },
    )
    const health = healthHandler(() => !this.#draining && this.joined().length > 0)
    const onCall = (change: 1 | -1) => this.#calls.count(change)
    const own = { ...handlers, [methods.health]: health }
    const serve = serveCalls(own, { log, clock, onCall })
    if (this.#mesh === undefined) return serve
    // What members tell each other never ends, so a draining node does not wait for its end.
    const serveMesh = serveCalls(this.#mesh.handlers, { log, clock })
    return (stream, connection) => {
      const isMesh = stream.metadata[':path'] === methods.mesh
      if (isMesh) serveMesh(stream, connection)
      else serve(stream, connection)
    }
  }

  #linkTo(gateway: GatewayAddress): GatewayLink {
    const { clock, known, log, random } = this.#modules
    const { network, token } = this.#options
    return new GatewayLink(
      { gateway, token, network, limits: this.#limits },
      {
        transport: this.#transport,
        known,
        held: this.#held,
        clock,
        random,
        log,
        record: () => this.#records.record(this.#offered(), clock.now()),
        load: () => this.load(),
        // Distances are of use with the places they are between.
        links: () => (this.#options.cell === undefined ? [] : linkReports(this.members())),
        onJoined: (connection, address) => {
          const id = connection.peer
          this.#mesh?.meet(connection)
          log.info('joined a gateway', { gateway: id, address })
          this.#modules.onJoined?.(id, address)
          this.#onFirstJoin?.()
        },
        onLost: (id, reason) => {
          const level = this.#stop.signal.aborted ? 'info' : 'warn'
          log[level]('lost a gateway', { gateway: id, reason })
          this.#modules.onLost?.(id, reason)
        },
      },
    )
  }

  #onWork(change: 1 | -1): void {
    this.#running += change
    for (const link of this.#links) link.loadChanged()
  }

  #offered(): readonly OfferedModel[] {
    const { engine, speeds } = this.#modules
    return engine
      .models()
      .slice(0, this.#limits.modelsMax)
      .map((model) => ({
        ...model,
        ...(speeds.get(model.name) ?? notMeasured),
        promptPrice: this.#options.promptPrice ?? 0,
        completionPrice: this.#options.completionPrice ?? 0,
      }))
  }
}

/** Rejects with the first fault once every one has failed; never resolves. */
async function allFailed(links: readonly Promise<void>[]): Promise<never> {
  const results = await Promise.allSettled(links)
  const failed = results.find((result) => result.status === 'rejected')
  throw failed?.reason ?? new IsochroneError('cancelled', 'the node was stopped before it joined')
}
