/** How many calls a peer may give up, or have refused: so many at once and so many per second. */
import type { Clock } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { carrierLimits } from './limits.ts'

export class ResetAllowance {
  readonly #clock: Clock
  #left: number = carrierLimits.resetBurst
  #filledAtMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAtMs = clock.monotonic()
  }

  /** @throws IsochroneError `all_nodes_busy` when there were too many */
  take(): void {
    const nowMs = this.#clock.monotonic()
    const more = ((nowMs - this.#filledAtMs) / 1000) * carrierLimits.resetRate
    this.#left = Math.min(carrierLimits.resetBurst, this.#left + more) - 1
    this.#filledAtMs = nowMs
    if (this.#left >= 0) return
    throw new IsochroneError('all_nodes_busy', 'the peer gives up too many calls')
  }
}
