/**
 * Round trips where nothing near was measured: light in fibre × stretch + last mile, both learned.
 *
 * Weighted least squares over all that is seen, in closed form: sums that fade. Errors count
 * relative to the round trip, so that short links say as much as long ones, and one that is far
 * off counts for less (Huber's weights): the path through another continent is no stretch.
 */

/**
 * A first idea, worth a few links: what it is between the regions of public clouds (April 2022).
 */
const firstIdea = { stretch: 1.8, lastMileMs: 4, links: 4, fibreMs: [1, 20, 80] } as const
/** Links of the last while that count: 1/e after so many. */
const memoryObservations = 1000
/** Relative errors up to this count in full; nine in ten are smaller. */
const huberError = 0.5
/** Light is never faster; and no network of today is so roundabout on the whole. */
const stretchBounds = [1, 4] as const
/** 0.1 ms: two machines in a room. 100 ms: a satellite hop at one end. */
const lastMileMsBounds = [0.1, 100] as const

export class PathModel {
  #weight = 0
  #x = 0
  #xx = 0
  #y = 0
  #xy = 0
  #stretch: number = firstIdea.stretch
  #lastMileMs: number = firstIdea.lastMileMs

  constructor() {
    for (const fibreMs of firstIdea.fibreMs) {
      this.#add(fibreMs, this.roundTripMs(fibreMs), firstIdea.links)
    }
  }

  get stretch(): number {
    return this.#stretch
  }

  get lastMileMs(): number {
    return this.#lastMileMs
  }

  roundTripMs(fibreMs: number): number {
    return fibreMs * this.#stretch + this.#lastMileMs
  }

  learn(fibreMs: number, roundTripMs: number): void {
    const error = Math.abs(roundTripMs / this.roundTripMs(fibreMs) - 1)
    this.#add(fibreMs, roundTripMs, error <= huberError ? 1 : huberError / error)
    this.#solve()
  }

  #add(fibreMs: number, roundTripMs: number, worth: number): void {
    const keep = 1 - 1 / memoryObservations
    const weight = worth / this.roundTripMs(fibreMs) ** 2
    this.#weight = this.#weight * keep + weight
    this.#x = this.#x * keep + weight * fibreMs
    this.#xx = this.#xx * keep + weight * fibreMs * fibreMs
    this.#y = this.#y * keep + weight * roundTripMs
    this.#xy = this.#xy * keep + weight * fibreMs * roundTripMs
  }

  #solve(): void {
    const variance = this.#weight * this.#xx - this.#x * this.#x
    // All links of one length: they tell the last mile and leave the stretch as it is.
    const isFlat = variance <= 1e-9 * this.#weight * this.#xx
    const slope = (this.#weight * this.#xy - this.#x * this.#y) / variance
    if (!isFlat) this.#stretch = within(slope, stretchBounds)
    const left = (this.#y - this.#stretch * this.#x) / this.#weight
    this.#lastMileMs = within(left, lastMileMsBounds)
  }
}

function within(value: number, [least, most]: readonly [number, number]): number {
  return Math.min(most, Math.max(least, value))
}
