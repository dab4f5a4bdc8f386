/**
 * What probes say of a link: round trip, jitter, minimum and loss. Pure: durations go in, estimates
 * come out.
 *
 * Smoothing is RFC 6298's. The minimum and the loss look at the latest probes only, so that they
 * follow a change of path. On an ordered transport a lost segment shows as delay: TCP sends again
 * after at least 200 ms (Linux's minimum retransmission time-out), so an answer later than that
 * beyond the minimum counts as lost.
 */
import { type LinkQuality, transportLimits } from './transport.ts'

/** RFC 6298 §2. */
const roundTripGain = 1 / 8
const deviationGain = 1 / 4
/** About two minutes of probes at one every 2 s. */
const windowProbes = 64
/** Of RFC 6298's time-out: answers behind a large message come late, and do come. */
const timeoutFactor = 2
const retransmissionDelayMs = 200

export class LinkEstimator {
  #roundTripMs: number | undefined
  #deviationMs: number | undefined
  #samples = 0
  /** The latest probes, oldest first; Infinity where no answer came. */
  #window: number[] = []

  /** A probe was answered after `roundTripMs`. */
  answered(roundTripMs: number): void {
    this.#remember(roundTripMs)
    this.#samples += 1
    if (this.#roundTripMs === undefined || this.#deviationMs === undefined) {
      this.#roundTripMs = roundTripMs
      this.#deviationMs = roundTripMs / 2
      return
    }
    const error = Math.abs(this.#roundTripMs - roundTripMs)
    this.#deviationMs += deviationGain * (error - this.#deviationMs)
    this.#roundTripMs += roundTripGain * (roundTripMs - this.#roundTripMs)
  }

  /** A probe was given up. */
  unanswered(): void {
    this.#remember(Number.POSITIVE_INFINITY)
  }

  /** How long an answer may take before something besides the path must hold it up. */
  patienceMs(): number {
    const { overdueMsFirst, overdueMsMin } = transportLimits
    if (this.#roundTripMs === undefined || this.#deviationMs === undefined) return overdueMsFirst
    return Math.max(overdueMsMin, timeoutFactor * (this.#roundTripMs + 4 * this.#deviationMs))
  }

  quality(): Omit<LinkQuality, 'overdue' | 'answeredAtMs'> {
    const minimum = Math.min(...this.#window)
    return {
      roundTripMs: this.#roundTripMs,
      roundTripMinMs: Number.isFinite(minimum) ? minimum : undefined,
      jitterMs: this.#deviationMs,
      loss: this.#loss(minimum),
      samples: this.#samples,
    }
  }

  #loss(minimum: number): number | undefined {
    if (this.#window.length === 0) return undefined
    const late = this.#window.filter((value) => !(value <= minimum + retransmissionDelayMs)).length
    return Number.isFinite(minimum) ? late / this.#window.length : 1
  }

  #remember(roundTripMs: number): void {
    this.#window.push(roundTripMs)
    if (this.#window.length > windowProbes) this.#window.shift()
  }
}
