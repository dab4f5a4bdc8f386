/**
 * Room at whoever can serve a request: where all are busy now and somebody is foreseen to have room
 * in a moment, the request waits for it. A client that is told to come back comes later than that,
 * since `retry-after` counts whole seconds, or not at all.
 */
import { type Clock, sleep } from '../../base/index.ts'
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

/** Of the time until the first token is due, or the answer; the rest is for the work itself. */
const waitShareMax = 0.1
/** A look is a decision. */
export const roomLookMinMs = 50

export class Room {
  readonly #limits: RoomLimits
  readonly #modules: RoomModules
  #waiting = 0

  constructor(limits: RoomLimits, modules: RoomModules) {
    this.#limits = limits
    this.#modules = modules
  }

  /**
   * Resolves when somebody was chosen, or when waiting is of no use.
   * @param leftMs of the request's time
   */
  async waitFor({ trail, departure }: Journeying, leftMs: number): Promise<void> {
    const { clock, router, metrics } = this.#modules
    // Of all looks the last one is kept.
    const busy = trail.decision
    let { retryAfterMs } = busy
    if (busy.chosen !== null || retryAfterMs === null) return
    // More would only come together when there is room.
    if (this.#waiting >= this.#limits.roomWaitersMax) return
    const dueMs = Math.min(leftMs, busy.request.objective.ttftMs ?? leftMs)
    const untilMs = clock.monotonic() + Math.min(this.#limits.roomWaitMs, dueMs * waitShareMax)
    let hasWaited = false
    this.#waiting += 1
    try {
      while (trail.decision.chosen === null && retryAfterMs !== null) {
        const lookMs = Math.max(retryAfterMs, roomLookMinMs)
        if (clock.monotonic() + lookMs > untilMs) return
        hasWaited = true
        await sleep(clock, lookMs)
        if (departure.reason !== undefined) return
        trail.reroute(router.routeAgain(busy))
        retryAfterMs = trail.decision.retryAfterMs
      }
    } finally {
      this.#waiting -= 1
      if (hasWaited) metrics.roomWait(trail.decision.chosen === null ? 'none' : 'served')
    }
  }
}
