/**
 * Fellow members are measured again and again: first those never measured, as newcomers measure
 * the others and not the other way round; then those measured long ago.
 */
import type { NodeId } from '../../protocol/index.ts'
import type { Roster, Seat } from './claims.ts'
import type { ClusterContext } from './context.ts'
import { clusterTimes } from './limits.ts'

export class Refresher {
  readonly #context: ClusterContext
  #dueMs: number
  #place = 0
  /** Seats looked at in vain, one after another. */
  #idle = 0
  #isCalm = false

  constructor(context: ClusterContext, nowMs: number) {
    this.#context = context
    this.#dueMs = nowMs + context.random.below(clusterTimes.refreshEveryMs)
  }

  get nextDueMs(): number {
    return this.#dueMs
  }

  /** All whom it looked at were measured before. */
  get isCalm(): boolean {
    return this.#isCalm
  }

  tick({ seats }: Roster, absent: ReadonlyMap<NodeId, unknown>, nowMs: number): void {
    if (nowMs < this.#dueMs) return
    this.#isCalm = true
    // Nothing to do in the whole round: nothing for a while.
    this.#dueMs = nowMs + (this.#idle < seats.length ? 1 : idleTimes) * clusterTimes.refreshEveryMs
    for (let looked = 0; looked < Math.min(seats.length, looksMax); looked += 1) {
      this.#place = (this.#place + 1) % seats.length
      const { id } = seats[this.#place] as Seat
      this.#idle += 1
      if (id === this.#context.self || absent.has(id)) continue
      const trip = this.#context.trips.get(id)
      if (trip !== undefined && nowMs - trip.atMs < clusterTimes.refreshAfterMs) continue
      this.#idle = 0
      this.#context.measure(id)
      if (trip === undefined) {
        this.#dueMs = nowMs + clusterTimes.firstMeasureEveryMs
        this.#isCalm = false
      }
      return
    }
  }
}

/** Seats looked at in one go, so that a large cluster costs no more than a small one. */
const looksMax = 16
const idleTimes = 4
