/** Asks routing with the registry's present snapshot. */
import type { Clock, Random } from '../../base/index.ts'
import { type DecisionId, decisionIdOf, IsochroneError } from '../../protocol/index.ts'
import {
  type ChooseAgainInput,
  type Continuation,
  chooseAgain,
  chooseBeside,
  couldMove,
  type Decision,
  decide,
  type RouteRequest,
  type RoutingPolicy,
  refusalOf,
} from '../../routing/index.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { WorkerRegistry } from '../workers/registry.ts'

export interface RouterModules {
  readonly clock: Clock
  readonly random: Random
  readonly policy: RoutingPolicy
  readonly registry: WorkerRegistry
  readonly metrics: GatewayMetrics
  /** Of this program, noted with what decisions rest on. */
  readonly softwareVersion?: string
}

/** What the next worker takes over. */
export type GoingOn = Pick<ChooseAgainInput, 'continuation' | 'leaving'>

const idLengthBytes = 16
const timeBytes = 6

export class Router {
  readonly #modules: RouterModules
  #policy: RoutingPolicy

  constructor(modules: RouterModules) {
    this.#modules = modules
    this.#policy = modules.policy
  }

  get policy(): RoutingPolicy {
    return this.#policy
  }

  /** What is decided from now on follows it; also of requests that are under way. */
  usePolicy(policy: RoutingPolicy): void {
    this.#policy = policy
  }

  /** @param keyId of the API key that asks */
  route(request: RouteRequest, keyId: string): Decision {
    const { random } = this.#modules
    const decisionId = this.#newId()
    return this.#measured(() => {
      const present = this.#noted(request)
      return decide({ ...present, request, decisionId, keyId, random })
    })
  }

  /** What `route` would decide now: nothing is counted, and nothing of it is kept. */
  preview(request: RouteRequest, keyId: string): Decision {
    const { random } = this.#modules
    const present = this.#present(request.model)
    return decide({ ...present, request, decisionId: this.#newId(), keyId, random })
  }

  /** Another worker, after the last attempt failed. */
  routeAgain(decision: Decision, goingOn: GoingOn = {}): Decision {
    const { random } = this.#modules
    return this.#measured(() =>
      chooseAgain(decision, { ...this.#noted(decision.request), random, ...goingOn }),
    )
  }

  /** Another worker beside the one that is at it; undefined where nobody has room for it now. */
  routeBeside(decision: Decision): Decision | undefined {
    const { random } = this.#modules
    return chooseBeside(decision, { ...this.#noted(decision.request), random })
  }

  /** Whether another worker could take the request now, with the attempt that runs given up. */
  couldMove(decision: Decision, continuation?: Continuation): boolean {
    const present = this.#present(decision.model)
    return couldMove(decision, continuation === undefined ? present : { ...present, continuation })
  }

  #present(model: string) {
    const { registry, clock } = this.#modules
    const policy = this.#policy
    const { candidates, table } = registry.present(model, policy)
    return { candidates, table, policy, now: clock.now() }
  }

  /** The same, noted so that the decision can be made again. */
  #noted({ model, objective }: RouteRequest) {
    const { registry, clock, softwareVersion = '' } = this.#modules
    const policy = this.#policy
    const { candidates, mark, table } = registry.present(model, policy)
    const withTimes = objective.ttftMs !== null || objective.tpotMs !== null
    const view = mark({ policy, software: softwareVersion }, withTimes)
    return { candidates, table, policy, now: clock.now(), view }
  }

  #newId(): DecisionId {
    const { clock, random } = this.#modules
    return decisionIdOf(timeOrdered(random.bytes(idLengthBytes), clock.now()))
  }

  /** What is decided when the chosen one has just been seen to be gone is decided anew, once. */
  #measured(make: () => Decision): Decision {
    const { clock, metrics, registry } = this.#modules
    const start = clock.monotonic()
    let decision = make()
    if (decision.chosen !== null && !registry.isStillThere(decision.chosen)) decision = make()
    metrics.decision(decision.outcome, clock.monotonic() - start)
    return decision
  }
}

/**
 * Ids of one moment begin alike, so that the store's index of them is written in one place: as in
 * UUIDv7 (RFC 9562), 48 bits of ms since 1970 and then 80 random ones.
 */
function timeOrdered(bytes: Uint8Array, nowMs: number): Uint8Array {
  let rest = nowMs
  for (let i = timeBytes - 1; i >= 0; i -= 1) {
    bytes[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return bytes
}

/** The error that a client gets when nobody was chosen; undefined: somebody was. */
export function refusalError(decision: Decision): IsochroneError | undefined {
  const refusal = refusalOf(decision)
  if (refusal === null) return undefined
  const { code, message, param, retryAfterMs, waitingHelps } = refusal
  return new IsochroneError(code, message, {
    detail: {
      ...(param === null ? {} : { param }),
      retryAfterMs,
      waitingHelps,
    },
  })
}
