/** The latest probes of one link and what they say together. Pure: durations go in. */

export interface LinkMeasure {
  readonly medianMs: number
  readonly p95Ms: number
  /** Mean difference between one round trip and the next (RFC 3550, section 6.4.1). */
  readonly jitterMs: number
  /** Share of the window's probes without an answer. */
  readonly loss: number
  /** Answered probes in the window. */
  readonly samples: number
  /** When the latest answer came; monotonic, of whoever measured. */
  readonly atMs: number
}

/** Half a minute of a cluster's probes; a 95th percentile of fewer is their maximum. */
export const windowProbes = 32

const lost = Number.POSITIVE_INFINITY

export class LinkWindow {
  /** Where the count stands, the next goes. */
  readonly #latestMs = new Float32Array(windowProbes)
  #count = 0
  #answeredAtMs = Number.NEGATIVE_INFINITY
  #measure: LinkMeasure | undefined

  answered(roundTripMs: number, nowMs: number): void {
    this.#answeredAtMs = nowMs
    this.#add(roundTripMs)
  }

  unanswered(): void {
    this.#add(lost)
  }

  /** undefined: none of the window's probes was answered. */
  measure(): LinkMeasure | undefined {
    this.#measure ??= this.#compute()
    return this.#measure
  }

  #add(value: number): void {
    this.#latestMs[this.#count % windowProbes] = value
    this.#count += 1
    this.#measure = undefined
  }

  #compute(): LinkMeasure | undefined {
    const present = Math.min(this.#count, windowProbes)
    const answered = new Float64Array(present)
    let samples = 0
    let differences = 0
    for (let i = 0; i < present; i += 1) {
      const value = this.#latestMs[(this.#count - present + i) % windowProbes] as number
      if (value === lost) continue
      if (samples > 0) differences += Math.abs(value - (answered[samples - 1] as number))
      answered[samples] = value
      samples += 1
    }
    if (samples === 0) return undefined
    const sorted = answered.subarray(0, samples).sort()
    return {
      medianMs: quantile(sorted, 0.5),
      p95Ms: quantile(sorted, 0.95),
      jitterMs: samples > 1 ? differences / (samples - 1) : 0,
      loss: 1 - samples / present,
      samples,
      atMs: this.#answeredAtMs,
    }
  }
}

function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] as number
  const above = sorted[Math.ceil(place)] as number
  return below + (above - below) * (place - Math.floor(place))
}
