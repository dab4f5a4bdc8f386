/**
 * Whether this gateway itself was in trouble: its event loop held up, or its wall clock moved. What
 * it saw of others in the meantime says more about itself.
 */
import type { Clock, Timer } from '../../base/index.ts'

const lookMs = 250
/**
 * Later than this is overload: a healthy gateway is late by some tens of ms at most, and a link's
 * patience is a second, so that verdicts rest on the gateway from here on.
 */
const lagMsMax = 1_000
/** Beyond what clocks are corrected by without anybody noticing. */
const clockJumpMs = 2_000

export class SelfWatch {
  readonly #clock: Clock
  #timer: Timer | undefined
  #lookedAtMs: number
  #skewMs: number
  /** When the latest trouble was over. */
  #troubledUntilMs = Number.NEGATIVE_INFINITY
  #troubles = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#lookedAtMs = clock.monotonic()
    this.#skewMs = clock.now() - this.#lookedAtMs
  }

  /** How often it was found. */
  get troubles(): number {
    return this.#troubles
  }

  start(): void {
    this.#lookedAtMs = this.#clock.monotonic()
    this.#timer = this.#clock.after(lookMs, () => {
      this.#look()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** Whether there was trouble since then, monotonic ms. */
  wasTroubledSince(atMs: number): boolean {
    // A look that is overdue is trouble too: what waited with it may come before it.
    if (this.#timer !== undefined && this.#isLate()) this.#look()
    return this.#troubledUntilMs > atMs
  }

  #isLate(): boolean {
    return this.#clock.monotonic() - this.#lookedAtMs > lookMs + lagMsMax
  }

  #look(): void {
    const nowMs = this.#clock.monotonic()
    const skewMs = this.#clock.now() - nowMs
    const hasJumped = Math.abs(skewMs - this.#skewMs) > clockJumpMs
    this.#skewMs = skewMs
    if (this.#isLate() || hasJumped) {
      this.#troubledUntilMs = nowMs
      this.#troubles += 1
    }
    this.#lookedAtMs = nowMs
  }
}
