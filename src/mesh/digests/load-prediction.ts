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
  /** ms until what waits has begun; Infinity where it waits and the rate is not known. */
  readonly queueMs: number
}

/** One's own requests that are remembered for a node; older ones are not subtracted. */
const sendsMax = 512
/** What others were seen to send weighs in by a third each second or so. */
const arrivalsWeight = 0.3
/** Longer gaps between two entries say nothing of a rate. */
const arrivalsGapMsMax = 10_000

interface OwnRequest {
  readonly sentAtMs: number
  /** Infinity: under way. */
  endedAtMs: number
}

/** One gateway's own requests to one node, and what it learned of the others'. */
export class OwnRequests {
  #requests: OwnRequest[] = []
  #underWay = 0
  #othersPerSecond = 0
  #last: SaidLoad | undefined

  get underWay(): number {
    return this.#underWay
  }

  /** Requests of others per second, as far as entries showed them. */
  get othersPerSecond(): number {
    return this.#othersPerSecond
  }

  /** To be ended by `ended` with what it returns. */
  sent(nowMs: number): OwnRequest {
    const request: OwnRequest = { sentAtMs: nowMs, endedAtMs: Number.POSITIVE_INFINITY }
    this.#requests.push(request)
    if (this.#requests.length > sendsMax) this.#requests.shift()
    this.#underWay += 1
    return request
  }

  ended(request: OwnRequest, nowMs: number): void {
    if (request.endedAtMs !== Number.POSITIVE_INFINITY) return
    request.endedAtMs = nowMs
    this.#underWay -= 1
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
    // Before the entry, and over: it will not be asked for again.
    const keptFromMs = said.saidAtMs - options.roundTripMs
    this.#requests = this.#requests.filter(({ endedAtMs }) => endedAtMs >= keptFromMs)
  }

  predict(said: SaidLoad, nowMs: number, options: PredictionOptions): PredictedLoad {
    const others = this.#othersAt(said, nowMs, { ...options, arrivals: this.#othersPerSecond })
    const all = this.#underWay + others
    const slots = Math.max(1, said.slots)
    const running = Math.min(all, slots)
    const waiting = all - running
    const perMs = said.tokensPerSecond / options.tokensPerRequest / 1_000
    const queueMs = waiting <= 0 ? 0 : perMs > 0 ? waiting / perMs : Number.POSITIVE_INFINITY
    return { running, waiting, queueMs }
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

  /** How many of its own requests were at the node when it spoke. */
  #containedIn(said: SaidLoad, { roundTripMs }: PredictionOptions): number {
    const wayMs = roundTripMs / 2
    let contained = 0
    for (const { endedAtMs, sentAtMs } of this.#requests) {
      if (sentAtMs + wayMs <= said.saidAtMs && endedAtMs - wayMs > said.saidAtMs) contained += 1
    }
    return contained
  }
}
