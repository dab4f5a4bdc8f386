/**
 * Room at whoever can serve a request: where all are busy now and somebody is foreseen to have room
 * in a moment, the request waits for it. A client that is told to come back comes later than that,
 * since `retry-after` counts whole seconds, or not at all.
 */
import { type Clock, sleep } from '../../base/index.ts'
import type { Decision } from '../../routing/index.ts'
import type { GatewayLimits } from '../limits.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { Journeying } from './calls.ts'
import type { Router } from './router.ts'

export type RoomLimits = Pick<GatewayLimits, 'roomWaitMs' | 'roomWaitersMax'>

export interface RoomModules {
  readonly clock: Clock
  readonly router: Router
  readonly metrics: Pick<GatewayMetrics, 'roomWait'>
}

export interface Patience {
  /** At most. */
  readonly forMs: number
  /** Another look, with what was written already. */
  readonly look: (busy: Decision) => Decision
}

/** Of the time until the first token is due, or the answer; the rest is for the work itself. */
const waitShareMax = 0.1
/** A look is a decision. */
const lookMinMs = 50
/** How seldom it is looked for room at whoever could go on. */
const lookMaxMs = 1_000

export class Room {
  readonly #limits: RoomLimits
  readonly #modules: RoomModules
  #waiting = 0

  constructor(limits: RoomLimits, modules: RoomModules) {
    this.#limits = limits
    this.#modules = modules
  }

  /**
   * Before an answer has begun. Resolves when somebody was chosen, or when waiting is of no use.
   * @param leftMs of the request's time
   */
  async waitFor({ trail, departure }: Journeying, leftMs: number): Promise<void> {
    const { clock, router, metrics } = this.#modules
    // Of all looks the last one is kept.
    const busy = trail.decision
    let lookMs = nextLookMs(busy)
    if (lookMs === undefined) return
    // More would only come together when there is room.
    if (this.#waiting >= this.#limits.roomWaitersMax) return
    const dueMs = Math.min(leftMs, busy.request.objective.ttftMs ?? leftMs)
    const untilMs = clock.monotonic() + Math.min(this.#limits.roomWaitMs, dueMs * waitShareMax)
    let hasWaited = false
    this.#waiting += 1
    try {
      while (lookMs !== undefined && clock.monotonic() + lookMs <= untilMs) {
        hasWaited = true
        await sleep(clock, lookMs)
        if (departure.reason !== undefined) return
        trail.reroute(router.routeAgain(busy))
        lookMs = nextLookMs(trail.decision)
      }
    } finally {
      this.#waiting -= 1
      if (hasWaited) metrics.roomWait(trail.decision.chosen === null ? 'none' : 'served')
    }
  }

  /**
   * For whoever goes on with an answer that has begun: a client that waits is better off than one
   * that is left with half of it. Resolves as `waitFor` does.
   */
  async waitToGoOn({ trail, departure }: Journeying, { forMs, look }: Patience): Promise<void> {
    const { clock } = this.#modules
    const untilMs = clock.monotonic() + forMs
    // Of all looks the last one is kept: a minute of them is longer than a record may be.
    const before = trail.decision
    for (;;) {
      trail.reroute(look(before))
      const foreseenMs = nextLookMs(trail.decision)
      if (foreseenMs === undefined) return
      const lookMs = Math.min(foreseenMs, lookMaxMs)
      if (clock.monotonic() + lookMs >= untilMs) return
      await sleep(clock, lookMs)
      if (departure.reason !== undefined) return
    }
  }
}

/** Undefined where somebody was chosen, or nobody will have room. */
function nextLookMs({ chosen, retryAfterMs }: Decision): number | undefined {
  if (chosen !== null || retryAfterMs === null) return undefined
  return Math.max(retryAfterMs, lookMinMs)
}
