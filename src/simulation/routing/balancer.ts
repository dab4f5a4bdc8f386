/**
 * Who sends requests where: the one interface that the shipping routing and all baselines stand
 * behind. Each gateway has one of its own. What happens after the choice (retries, patience with a
 * silent node, going on elsewhere) is the gateway's and the same for all.
 */
import type { Clock, Random } from '../../base/index.ts'
import type { Notice } from '../../evidence/index.ts'
import type { ErrorCode, Experience, NodeId, WorkerId } from '../../protocol/index.ts'

/** What a node says of itself. */
export interface Claim {
  readonly slots: number
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
  /** Micro-dollars per million tokens. */
  readonly promptPrice: number
  readonly completionPrice: number
}

/** A node as its gateway sees it. */
export interface Sight {
  /** Its place in the list of sights. */
  readonly node: number
  readonly id: WorkerId
  readonly claim: Claim
  /** As probes of the link measured it. */
  readonly roundTripMs: number
  /** Its connection stands. */
  connected: boolean
  /** The link owes an answer to a probe. */
  overdue: boolean
  /** Requests of this gateway that are under way there. */
  inFlight: number
}

export interface Ask {
  /** Names the request until `closed`. */
  readonly ticket: number
  readonly promptTokens: number
  readonly ttftMs: number
  readonly tpotMs: number
}

export interface EndedAttempt {
  readonly ticket: number
  readonly node: number
  readonly kind: 'completed' | 'failed'
  readonly code: ErrorCode | null
  readonly isMidStream: boolean
  readonly startedAtMs: number
  readonly ttftMs: number | null
  readonly tpotMs: number | null
  readonly promptTokens: number
  readonly tokens: number
  /** Others of this gateway there when it began. */
  readonly inFlight: number
}

export interface LoadWord {
  readonly running: number
  readonly waiting: number
  /** Of prompts there. */
  readonly unreadTokens: number
  readonly tokensPerSecond: number
  readonly saidAtMs: number
}

/** What a node answers to a probe: requests in flight there, and a recent latency at that many. */
export interface ProbeAnswer {
  readonly inFlight: number
  readonly latencyMs: number
}

export interface BalancerModules {
  /** Of its gateway. */
  readonly self: NodeId
  /** Of all nodes that will ever come. */
  readonly sights: readonly Sight[]
  readonly clock: Clock
  readonly random: Random
}

export interface Balancer {
  /**
   * A node for the request, which was at those in `tried` before and failed there; undefined:
   * refused.
   */
  choose(ask: Ask, tried: readonly number[]): number | undefined
  /** An attempt begins. */
  sent?(ticket: number, node: number, promptTokens: number): void
  /** Its first token is here. */
  begun?(ticket: number): void
  ended?(attempt: EndedAttempt): void
  /** No attempt follows. */
  closed?(ticket: number): void
  reported?(node: number, load: LoadWord): void
  /** Its connection is new. */
  joined?(node: number): void
  /** Now and then, four times a second. */
  look?(): void
  /** Whom to probe with this request; the answers come later. */
  probes?(): readonly number[]
  probed?(node: number, answer: ProbeAnswer): void
  /** What it tells other gateways of nodes; asked for each minute, where gateways tell. */
  tells?(): readonly Experience[]
  /** What another gateway tells, true or not. */
  hears?(experience: Experience): void
  /** Another gateway says that it has quarantined a node, true or not. */
  accused?(notice: Notice): void
}

export type BalancerMaker = (modules: BalancerModules) => Balancer

export function isUsable({ connected, overdue }: Sight): boolean {
  return connected && !overdue
}

/** Those who could be asked: usable and not tried, else whoever is connected and not tried. */
export function usable(sights: readonly Sight[], tried: readonly number[]): Sight[] {
  const free = sights.filter((sight) => isUsable(sight) && !tried.includes(sight.node))
  if (free.length > 0) return free
  return sights.filter((sight) => sight.connected && !tried.includes(sight.node))
}
