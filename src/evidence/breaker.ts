/**
 * A circuit breaker for each worker and model: whoever fails several times in a row gets nothing
 * more for a short while, then one request at a time, and all again once some of them came back.
 *
 *   closed ── failures in a row ──► open ── its time is over ──► half-open ── answers ──► closed
 *                                    ▲────── a failure, and twice as long ──────┘
 *
 * It is a valve, not a judgement: nothing of it is kept, and the record of a worker is the same
 * with it and without. Beside it a worker's own word is kept, by which nothing more is to come for
 * a while.
 */
import type { Clock } from '../base/index.ts'
import type { ErrorCode, WorkerId } from '../protocol/index.ts'
import type { Observation } from './observation.ts'

/** One that fails in a third of its requests does so three times in a row in one of 27. */
const failuresToOpen = 3
/** Failures further apart than this are no row: there was nothing to come in between. */
const failuresWithinMs = 60_000
/** Most causes (a restart, a full queue) have passed by then. */
const openMs = 5_000
/** Whoever stays broken costs one request in two minutes, which is tried elsewhere. */
const openMsMax = 120_000
/** Requests at a time while half-open: a worker that is coming back must not be run down. */
export const probesMax = 1
/** One answer in a row may be luck. */
const answersToClose = 3
/** A worker's word holds for no longer: a mistake, or a lie, costs it a minute's work. */
export const waitMsMax = 60_000
/** At about 200 bytes each; beyond it, whoever fails is judged by its record alone. */
const breakersMaxDefault = 10_000

export type BreakerState = 'open' | 'half-open' | 'waiting'

/** What is to be known of a breaker that is not closed. */
export interface BreakerSight {
  readonly state: BreakerState
  /** Half-open, and a request may go there now. */
  readonly takes: boolean
  /** What there is against sending more, for people. */
  readonly words: string
  /** ms until something changes by itself; 0 where nothing does. */
  readonly leftMs: number
}

/** What a failed attempt showed beside its observation. */
export interface AskedToWait {
  readonly worker: WorkerId
  readonly model: string
  readonly retryAfterMs: number
}

type Sight = { -readonly [K in keyof BreakerSight]: BreakerSight[K] }

/** Times are monotonic ms. */
export class Breaker {
  #failures = 0
  #failedAtMs = 0
  #openings = 0
  #openedAtMs = 0
  /** undefined: closed. */
  #openUntilMs: number | undefined
  /** Since it opened, without a failure among them. */
  #answers = 0
  #probes = 0
  #waitUntilMs = 0
  #openWords = ''
  #waitWords = ''
  /** Filled anew whenever it is asked for. */
  readonly #sight: Sight = { state: 'open', takes: false, words: '', leftMs: 0 }

  /** Nothing is to be known of it any more. */
  isIdle(nowMs: number): boolean {
    if (this.#openUntilMs !== undefined || this.#probes > 0) return false
    if (nowMs < this.#waitUntilMs) return false
    return this.#failures === 0 || nowMs - this.#failedAtMs > failuresWithinMs
  }

  /** To be read before the next call; undefined: closed. */
  sight(nowMs: number): BreakerSight | undefined {
    const sight = this.#sight
    if (nowMs < this.#waitUntilMs) {
      sight.state = 'waiting'
      sight.takes = false
      sight.words = this.#waitWords
      sight.leftMs = this.#waitUntilMs - nowMs
      return sight
    }
    if (this.#openUntilMs === undefined) return undefined
    const isOpen = nowMs < this.#openUntilMs
    sight.state = isOpen ? 'open' : 'half-open'
    sight.takes = !isOpen && this.#probes < probesMax
    sight.words = isOpen ? this.#openWords : halfOpenWords
    sight.leftMs = isOpen ? this.#openUntilMs - nowMs : 0
    return sight
  }

  /** A request goes there; @returns whether it is a probe, to be ended as one */
  began(nowMs: number): boolean {
    if (this.#openUntilMs === undefined || nowMs < this.#openUntilMs) return false
    this.#probes += 1
    return true
  }

  probeEnded(): void {
    this.#probes = Math.max(0, this.#probes - 1)
  }

  /** @param beganAtMs what began before it opened says nothing of what came since */
  answered(beganAtMs: number): void {
    if (this.#openUntilMs === undefined) {
      this.#failures = 0
      return
    }
    if (beganAtMs < this.#openedAtMs) return
    this.#answers += 1
    if (this.#answers < answersToClose) return
    this.#openUntilMs = undefined
    this.#openings = 0
    this.#failures = 0
  }

  /** @returns whether it opened */
  failed({ code, at, nowMs }: Failure, beganAtMs: number): boolean {
    if (this.#openUntilMs === undefined) {
      const isInARow = nowMs - this.#failedAtMs <= failuresWithinMs
      this.#failures = isInARow ? this.#failures + 1 : 1
      this.#failedAtMs = nowMs
      if (this.#failures < failuresToOpen) return false
      this.#open(`${this.#failures} failures in a row, the last ${code}`, { at, nowMs })
      return true
    }
    if (beganAtMs < this.#openedAtMs) return false
    this.#answers = 0
    // It was asked although it is open, for want of another one: that is no further sign.
    if (nowMs < this.#openUntilMs) return false
    this.#open(`it failed again when it was tried, with ${code}`, { at, nowMs })
    return true
  }

  wait(retryAfterMs: number, { at, nowMs }: Moment): void {
    const forMs = Math.min(retryAfterMs, waitMsMax)
    const untilMs = nowMs + forMs
    if (!(untilMs > this.#waitUntilMs)) return
    this.#waitUntilMs = untilMs
    this.#waitWords = `it asked for nothing more until ${timeOf(at + forMs)}`
  }

  #open(why: string, { at, nowMs }: Moment): void {
    const forMs = Math.min(openMs * 2 ** this.#openings, openMsMax)
    this.#openings += 1
    this.#openedAtMs = nowMs
    this.#openUntilMs = nowMs + forMs
    this.#answers = 0
    this.#openWords = `open until ${timeOf(at + forMs)} after ${why}`
  }
}

export interface Moment {
  /** ms since 1970, for words. */
  readonly at: number
  readonly nowMs: number
}

export interface Failure extends Moment {
  readonly code: ErrorCode
}

const halfOpenWords = 'half-open: tried by one request at a time, and that one is under way'

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 19)
}

/** The breakers that are not closed, and those that may soon open. */
export class Breakers {
  readonly #clock: Clock
  readonly #breakersMax: number
  /** By model, then worker; a model without any has none. */
  readonly #models = new Map<string, Map<WorkerId, Breaker>>()
  #size = 0
  #openings = 0

  constructor(clock: Clock, breakersMax = breakersMaxDefault) {
    this.#clock = clock
    this.#breakersMax = breakersMax
  }

  /** undefined: none of this model's is open, as almost always. */
  of(model: string): ((worker: WorkerId) => BreakerSight | undefined) | undefined {
    const workers = this.#models.get(model)
    if (workers === undefined) return undefined
    const nowMs = this.#clock.monotonic()
    return (worker) => workers.get(worker)?.sight(nowMs)
  }

  /** Who has one of this model that is not idle. */
  workersOf(model: string): Iterable<WorkerId> {
    return this.#models.get(model)?.keys() ?? []
  }

  /** A request goes there; @returns whether `probeEnded` is to be called at its end */
  began(worker: WorkerId, model: string): boolean {
    if (this.#size === 0) return false
    return this.#find(worker, model)?.began(this.#clock.monotonic()) ?? false
  }

  probeEnded(worker: WorkerId, model: string): void {
    this.#find(worker, model)?.probeEnded()
  }

  /** @param beganAtMs monotonic */
  observe({ worker, model, outcome, blame }: Observation, beganAtMs: number): void {
    if (outcome.kind === 'failed' && (blame === 'node' || blame === 'network')) {
      const moment = this.#moment()
      const breaker = this.#make(worker, model)
      if (breaker?.failed({ code: outcome.code, ...moment }, beganAtMs)) this.#openings += 1
    } else if (outcome.kind === 'completed' && this.#size > 0) {
      const breaker = this.#find(worker, model)
      if (breaker === undefined) return
      breaker.answered(beganAtMs)
      if (breaker.isIdle(this.#clock.monotonic())) this.#forget(worker, model)
    }
  }

  /** The worker itself said when it may be asked again. */
  asked({ worker, model, retryAfterMs }: AskedToWait): void {
    if (retryAfterMs > 0) this.#make(worker, model)?.wait(retryAfterMs, this.#moment())
  }

  /** It is no worker any more: ids are free, and each decision asks about all of its model. */
  left(worker: WorkerId): void {
    for (const model of [...this.#models.keys()]) this.#forget(worker, model)
  }

  counts(): Readonly<Record<BreakerState, number>> {
    const counts = { open: 0, 'half-open': 0, waiting: 0 }
    const nowMs = this.#clock.monotonic()
    for (const workers of this.#models.values()) {
      for (const breaker of workers.values()) {
        const sight = breaker.sight(nowMs)
        if (sight !== undefined) counts[sight.state] += 1
      }
    }
    return counts
  }

  /** How often one opened, since the start. */
  get openings(): number {
    return this.#openings
  }

  #moment(): Moment {
    return { at: this.#clock.now(), nowMs: this.#clock.monotonic() }
  }

  #find(worker: WorkerId, model: string): Breaker | undefined {
    return this.#models.get(model)?.get(worker)
  }

  #make(worker: WorkerId, model: string): Breaker | undefined {
    const known = this.#find(worker, model)
    if (known !== undefined) return known
    if (this.#size >= this.#breakersMax) this.#forgetIdle()
    if (this.#size >= this.#breakersMax) return undefined
    const breaker = new Breaker()
    const workers = this.#models.get(model)
    if (workers === undefined) this.#models.set(model, new Map([[worker, breaker]]))
    else workers.set(worker, breaker)
    this.#size += 1
    return breaker
  }

  #forget(worker: WorkerId, model: string): void {
    const workers = this.#models.get(model)
    if (workers?.delete(worker) !== true) return
    this.#size -= 1
    if (workers.size === 0) this.#models.delete(model)
  }

  #forgetIdle(): void {
    const nowMs = this.#clock.monotonic()
    for (const [model, workers] of [...this.#models]) {
      for (const [worker, breaker] of [...workers]) {
        if (breaker.isIdle(nowMs)) this.#forget(worker, model)
      }
    }
  }
}
