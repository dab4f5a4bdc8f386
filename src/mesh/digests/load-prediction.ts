/**
 * What a node's load is now, from what it said last and from what this gateway did since.
 *
 * An entry of a second or two ago cannot contain what was sent to the node since. Whoever routes by
 * the entry alone sends everything to the node that looked idle, until the next entry shows it
 * overrun, and then everything to another: the herd that Mitzenmacher ("How useful is old
 * information?", 2000) describes. So one's own requests are counted as one knows them, exactly,
 * and only the others' share of the entry is believed: drained by the node's measured rate,
 * and joined by as many as were seen to come from others before.
 */

/** What the entry says; times on this gateway's monotonic clock. */
export interface SaidLoad {
  readonly running: number
  readonly waiting: number
  readonly slots: number
  /** With all slots taken; 0: not measured, and nothing is taken to be finished. */
  readonly tokensPerSecond: number
  /** When the node said so: now less the entry's age. */
  readonly saidAtMs: number
}

export interface PredictionOptions {
  /** Of the link, there and back; half of it is what a request takes to the node. */
  readonly roundTripMs: number
  /** What a request asks for on the mean, prompt and completion. */
  readonly tokensPerRequest: number
}

export interface PredictedLoad {
  readonly running: number
  readonly waiting: number
  /** Of both, those of others: parts of a request are a likelihood. */
  readonly others: number
  /** Of one's own, those that the entry cannot contain. */
  readonly sentSince: number
  /** ms until what waits has begun; Infinity where it waits and the rate is not known. */
  readonly queueMs: number
}

/** Times of own requests that are remembered for a node; older ones count as long over. */
const timesMax = 512
/** What others were seen to send weighs in by a third each second or so. */
const arrivalsWeight = 0.3
/** Longer gaps between two entries say nothing of a rate. */
const arrivalsGapMsMax = 10_000

/** One gateway's own requests to one node, and what it learned of the others'. */
export class OwnRequests {
  readonly #sent = new Times()
  readonly #ended = new Times()
  #othersPerSecond = 0
  #last: SaidLoad | undefined

  get underWay(): number {
    return this.#sent.count - this.#ended.count
  }

  /** Requests of others per second, as far as entries showed them. */
  get othersPerSecond(): number {
    return this.#othersPerSecond
  }

  /** Times are those of one clock, and never go back. */
  sent(nowMs: number): void {
    this.#sent.add(nowMs)
  }

  ended(nowMs: number): void {
    if (this.underWay > 0) this.#ended.add(nowMs)
  }

  /** A newer entry than the last: what it holds beyond the prediction came from others. */
  learn(said: SaidLoad, options: PredictionOptions): void {
    const last = this.#last
    this.#last = said
    if (last !== undefined && said.saidAtMs > last.saidAtMs) {
      const gapMs = said.saidAtMs - last.saidAtMs
      const expected = this.#othersAt(last, said.saidAtMs, { ...options, arrivals: 0 })
      const seen = said.running + said.waiting - this.#containedIn(said, options)
      const perSecond = (Math.max(0, seen - expected) * 1_000) / gapMs
      const weight = gapMs > arrivalsGapMsMax ? 1 : arrivalsWeight
      this.#othersPerSecond += weight * (perSecond - this.#othersPerSecond)
    }
    // Later entries contain or lack the same ones: it will not be asked for each again.
    const wayMs = options.roundTripMs / 2
    this.#sent.forget(said.saidAtMs - wayMs)
    this.#ended.forget(said.saidAtMs + wayMs)
  }

  /** The next entry comes another way, and is not to be compared with the last. */
  startAnew(): void {
    this.#last = undefined
  }

  predict(said: SaidLoad, nowMs: number, options: PredictionOptions): PredictedLoad {
    const others = this.#othersAt(said, nowMs, { ...options, arrivals: this.#othersPerSecond })
    const all = this.underWay + others
    const slots = Math.max(1, said.slots)
    const running = Math.min(all, slots)
    const waiting = all - running
    const perMs = said.tokensPerSecond / options.tokensPerRequest / 1_000
    const queueMs = waiting <= 0 ? 0 : perMs > 0 ? waiting / perMs : Number.POSITIVE_INFINITY
    const sentSince = Math.max(0, this.underWay - this.#containedIn(said, options))
    return { running, waiting, others, sentSince, queueMs }
  }

  /** Of the entry's requests, those that are not this gateway's own: as they were, and drained. */
  #othersAt(
    said: SaidLoad,
    atMs: number,
    options: PredictionOptions & { readonly arrivals: number },
  ): number {
    const all = said.running + said.waiting
    const others = Math.max(0, all - this.#containedIn(said, options))
    const elapsedMs = Math.max(0, Math.min(atMs - said.saidAtMs, arrivalsGapMsMax))
    const perMs = said.tokensPerSecond / Math.max(1, options.tokensPerRequest) / 1_000
    // A node whose slots are not all taken is slower as a whole; the slots are shared evenly.
    const share = Math.min(1, all / Math.max(1, said.slots)) * (all === 0 ? 0 : others / all)
    const arrived = (options.arrivals * elapsedMs) / 1_000
    return Math.max(0, others + arrived - perMs * share * elapsedMs)
  }

  /**
   * How many of its own requests were at the node when it spoke: those that were sent a way before,
   * without those whose answer was here a way after. None of the latter was sent later than that.
   */
  #containedIn(said: SaidLoad, { roundTripMs }: PredictionOptions): number {
    const wayMs = roundTripMs / 2
    const arrived = this.#sent.until(said.saidAtMs - wayMs)
    return Math.max(0, arrived - this.#ended.until(said.saidAtMs + wayMs))
  }
}

/** When something happened, each time; of those longest ago only how many. */
class Times {
  /** The earliest first. */
  readonly #kept: number[] = []
  #forgotten = 0

  get count(): number {
    return this.#forgotten + this.#kept.length
  }

  add(atMs: number): void {
    this.#kept.push(atMs)
    if (this.#kept.length > timesMax) this.#forgetFirst(1)
  }

  until(atMs: number): number {
    return this.#forgotten + this.#keptUntil(atMs)
  }

  forget(untilMs: number): void {
    const first = this.#keptUntil(untilMs)
    if (first > 0) this.#forgetFirst(first)
  }

  #keptUntil(atMs: number): number {
    let count = 0
    while (count < this.#kept.length && (this.#kept[count] ?? 0) <= atMs) count += 1
    return count
  }

  #forgetFirst(count: number): void {
    this.#kept.splice(0, count)
    this.#forgotten += count
  }
}
