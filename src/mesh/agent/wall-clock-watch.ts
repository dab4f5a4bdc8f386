/**
 * Notices when the wall clock and the time that has passed fall apart: it was set, or the machine
 * slept. What was signed before is then too old for others, or from their future.
 */
import type { Clock } from '../../base/index.ts'

/** A third of what clocks may differ by: others still believe what was signed before. */
const jumpMsMin = 10_000

export class WallClockWatch {
  readonly #clock: Clock
  #offsetMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offsetMs = clock.now() - clock.monotonic()
  }

  /** By how much it has jumped since the last time; 0: not. To be asked now and then. */
  jumpMs(): number {
    const offsetMs = this.#clock.now() - this.#clock.monotonic()
    const jumpMs = offsetMs - this.#offsetMs
    if (Math.abs(jumpMs) < jumpMsMin) return 0
    this.#offsetMs = offsetMs
    return Math.round(jumpMs)
  }
}
