/** Asks routing with the registry's present snapshot. */
import type { Clock, Random } from '../../base/index.ts'
import { decisionIdOf, IsochroneError } from '../../protocol/index.ts'
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

  /** What is decided from now on follows it; also of requests that are under way. */
  usePolicy(policy: RoutingPolicy): void {
    this.#policy = policy
  }

  /** @param keyId of the API key that asks */
  route(request: RouteRequest, keyId: string): Decision {
    const { random, clock } = this.#modules
    const decisionId = decisionIdOf(timeOrdered(random.bytes(idLengthBytes), clock.now()))
    return this.#measured(() =>
      decide({ ...this.#present(request.model), request, decisionId, keyId, random }),
    )
  }

  /** Another worker, after the last attempt failed. */
  routeAgain(decision: Decision, goingOn: GoingOn = {}): Decision {
    const { random } = this.#modules
    return this.#measured(() =>
      chooseAgain(decision, { ...this.#present(decision.model), random, ...goingOn }),
    )
  }

  /** Another worker beside the one that is at it; undefined where nobody has room for it now. */
  routeBeside(decision: Decision): Decision | undefined {
    const { random } = this.#modules
    return chooseBeside(decision, { ...this.#present(decision.model), random })
  }

  /** Whether another worker could take the request now, with the attempt that runs given up. */
  couldMove(decision: Decision, continuation?: Continuation): boolean {
    const present = this.#present(decision.model)
    return couldMove(decision, continuation === undefined ? present : { ...present, continuation })
  }

  #present(model: string) {
    const { registry, clock } = this.#modules
    const policy = this.#policy
    return {
      candidates: registry.candidates(model, policy.hardwareClasses),
      policy,
      now: clock.now(),
    }
  }

  #measured(make: () => Decision): Decision {
    const { clock, metrics } = this.#modules
    const start = clock.monotonic()
    const decision = make()
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
