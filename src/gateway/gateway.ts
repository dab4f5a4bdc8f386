/** The gateway: what it is made of, and what its owner can do with it. */
import type { Clock, Log, Random } from '../base/index.ts'
import type {
  EvidenceBook,
  IncidentStore,
  ObservationStore,
  SightingStore,
} from '../evidence/index.ts'
import type { LedgerStore } from '../ledger/index.ts'
import type {
  ExperienceReader,
  FaultListener,
  MeshAgent,
  NoticeKeeper,
  NoticeReader,
} from '../mesh/index.ts'
import type { Identity, WorkerId } from '../protocol/index.ts'
import type { DecisionStore, RoutingPolicy } from '../routing/index.ts'
import type { CallHandler, Connection, Stream } from '../transport/index.ts'
import type { ApiKeys, JoinTokens } from './admission/credentials.ts'
import type { GatewayLimits } from './limits.ts'
import type { LatencyStore } from './workers/latency-watch.ts'
import type { UpstreamOptions } from './workers/upstream-engine.ts'

export interface GatewayOptions {
  /** `host:port` for clients; port 0 takes a free one. */
  readonly httpAddress: string
  /** Nodes of another network are refused. */
  readonly network: string
  readonly softwareVersion: string
  /** false: whoever reaches the port may use it. Default true. */
  readonly requireApiKey?: boolean
  /** What makes an API key, as it is typed on this machine; told to callers without one. */
  readonly keyCommand?: string | undefined
  readonly limits?: Partial<GatewayLimits>
  /** The H3 cell that it is in; empty (the default): not declared, and no latency map is kept. */
  readonly cell?: string
  /** As its operator names it; empty (the default): none. */
  readonly region?: string
}

export interface GatewayModules {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly identity: Identity
  readonly apiKeys: ApiKeys
  readonly joinTokens: JoinTokens
  /** Until `usePolicy` gives another. */
  readonly policy: RoutingPolicy
  /** Restored from the store by the composition root. */
  readonly evidence: EvidenceBook
  readonly observations: ObservationStore
  readonly decisions: DecisionStore
  /** Where sightings and incidents are kept; without them, they are forgotten with the process. */
  readonly sightings?: SightingStore
  readonly incidents?: IncidentStore
  /** What nodes have earned; without it, nobody notes it. */
  readonly ledger?: LedgerStore
  /** Where the latency map is kept; without it, it is learned anew in every run. */
  readonly latencyStore?: LatencyStore
  /** The mesh of which this gateway is a member; its owner starts and closes it. */
  readonly mesh?: MeshAgent
  /** How other gateways are told of nodes, where it is not the mesh. */
  readonly notices?: Pick<NoticeKeeper, 'isTrusted' | 'retract' | 'share' | 'tell'> | undefined
}

export interface Gateway {
  /**
   * Binds the HTTP address; resolves with the one bound, `host:port`. `address_in_use` when it is
   * taken.
   */
  listen(): Promise<string>
  /** What nodes call, by method. */
  readonly callHandlers: Readonly<Record<string, CallHandler>>
  /** For the transport's events: serves `callHandlers`. */
  readonly onStream: (stream: Stream, connection: Connection) => void
  /** For the transport's events: a peer that does not join in time is shown out. */
  readonly onConnection: (connection: Connection) => void
  /** For the mesh: what it found wrong in what a peer sent. */
  readonly onPeerFault: FaultListener
  /** For the mesh: what another gateway tells of nodes. */
  readonly onNotice: NoticeReader
  /** … and what it has seen of them. */
  readonly onExperience: ExperienceReader
  /** Uses an OpenAI-compatible server without a node. The engine stays the caller's to close. */
  addUpstream(options: UpstreamOptions): WorkerId
  /** Every decision from now on follows it. */
  usePolicy(policy: RoutingPolicy): void
  /** Somebody gave it one that is none: it is counted, and the one before stays. */
  refusedPolicy(): void
  /** Whether a model is served, as /readyz says. */
  isReady(): boolean
  /** Connected workers. */
  workerCount(): number
  /**
   * Takes no new request, lets answers end for a short while, then closes. Stores stay the
   * caller's.
   */
  close(): Promise<void>
}
