/** For tests: a gateway's registry and foresight on a clock that stands, and nodes with links. */
import { type Clock, type Random, seededRandom } from '../../base/index.ts'
import { EvidenceBook } from '../../evidence/index.ts'
import type { MemberState } from '../../mesh/index.ts'
import {
  type HardwareReport,
  type LoadReport,
  type NodeId,
  type NodeRecord,
  nodeIdOf,
} from '../../protocol/index.ts'
import { type Decision, decide, defaultPolicy, policyOf } from '../../routing/index.ts'
import { sampleInput, sampleOffer, sampleRequest } from '../../routing/samples.fixture.ts'
import type { Connection, LinkQuality } from '../../transport/index.ts'
import { Foresight, type ForesightModules, type MeshSight } from './foresight.ts'
import { WorkerRegistry } from './registry.ts'
import { RemoteWorker } from './remote-worker.ts'
import type { SignedCalls } from './signed-calls.ts'

const { version: _, ...values } = defaultPolicy
export const policy = policyOf('steady', { ...values, explorationShare: 0 })
export const model = sampleRequest.model

export interface JoinOptions {
  readonly id?: NodeId
  /** The gateway's end of it; by default a link on which every probe is answered at once. */
  readonly connection?: Connection
  readonly region?: string
  readonly cell?: string
  readonly slots?: number
  readonly decodeTokensPerSecond?: number
}

type StateListener = Parameters<MeshSight['states']['watch']>[0]

/** Says of itself what a test sets. */
export class ToldMesh implements MeshSight {
  readonly #states = new Map<NodeId, MemberState>()
  readonly states = {
    watch: (listener: StateListener) => {
      this.#listener = listener
    },
    of: (id: NodeId) => this.#states.get(id),
  }
  readonly trips = new Map<NodeId, ReturnType<MeshSight['roundTrip']>>()
  readonly nodes = new Map<NodeId, ReturnType<NonNullable<MeshSight['federation']>['node']>>()
  readonly federation = { node: (id: NodeId) => this.nodes.get(id) }
  #listener: StateListener = () => {}

  roundTrip(id: NodeId) {
    return this.trips.get(id)
  }

  /** A member changes for the gateway's cluster. */
  says(id: NodeId, state: MemberState): void {
    this.#states.set(id, state)
    this.#listener(id, state)
  }
}

export class SightedGateway {
  readonly registry: WorkerRegistry
  readonly foresight: Foresight
  readonly random: Random
  readonly #clock: Clock
  #joined = 0

  constructor(clock: Clock, modules: Partial<ForesightModules> & { readonly seed?: number } = {}) {
    const { seed = 1, ...given } = modules
    this.#clock = clock
    this.random = seededRandom(seed)
    const limits = { workersMax: 1_000, disconnectedKeptMs: 60_000 }
    this.registry = new WorkerRegistry(limits, { clock, evidence: new EvidenceBook({ clock }) })
    const latencies = { cell: '', estimate: () => undefined }
    this.foresight = new Foresight({ clock, registry: this.registry, latencies, ...given })
    this.foresight.start()
  }

  join(options: JoinOptions = {}): RemoteWorker {
    this.#joined += 1
    const { id = nodeIdOf(new Uint8Array(32).fill(this.#joined)) } = options
    const connection = options.connection ?? this.answeringLink(id)
    const bills = () => defaultPolicy
    const modules = { clock: this.#clock, calls: {} as SignedCalls, bills }
    const worker = new RemoteWorker(connection, recordOf(id, options), modules)
    this.registry.put(worker)
    this.foresight.joined(worker)
    return worker
  }

  report(worker: RemoteWorker, load: Partial<LoadReport>): void {
    const whole = { running: 0, waiting: 0, kvTokensFree: 100_000, draining: false, ...load }
    worker.report(whole)
    this.foresight.reported(worker, whole)
  }

  route(): Decision {
    const candidates = this.registry.candidates(model, policy)
    return decide(sampleInput({ candidates, policy, random: this.random }))
  }

  /** Of those that were not chosen for a gate, by which one. */
  gateOf({ id }: RemoteWorker): string | undefined {
    return this.route().rejections.find(({ worker }) => worker === id)?.gate
  }

  answeringLink(peer: NodeId): Connection {
    const clock = this.#clock
    let answeredAtMs = clock.monotonic()
    const quality = { roundTripMs: 5, overdue: false } as Partial<LinkQuality> as LinkQuality
    const probe = () => {
      answeredAtMs = clock.monotonic() + 5
    }
    const link = () => ({ ...quality, answeredAtMs })
    return { peer, link, probe } as Partial<Connection> as Connection
  }
}

/** A link that shows what is given, whatever is asked of it. */
export function fixedLink(peer: NodeId, quality: Partial<LinkQuality>): Connection {
  const link = () => quality as LinkQuality
  return { peer, link, probe: () => {} } as Partial<Connection> as Connection
}

function recordOf(id: NodeId, options: JoinOptions): NodeRecord {
  const hardware = { integerExact: true, gpu: '' } as Partial<HardwareReport> as HardwareReport
  const { cell = '', decodeTokensPerSecond = 50, region = 'here', slots = 4 } = options
  const models = [{ ...sampleOffer, slots, decodeTokensPerSecond }]
  const shown: Partial<NodeRecord> = { id, cell, region, models, hardware }
  return { ...shown, expiresAtMs: Number.POSITIVE_INFINITY } as NodeRecord
}
