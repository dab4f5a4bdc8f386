/**
 * The records of all workers, one per worker and model, kept up to date by observations.
 *
 * What counts against a worker: failures blamed on the node, and failures blamed on the network,
 * because the record answers "does a request that *this* gateway sends there come back?", and a
 * path that breaks is as bad for the client as a node that breaks. Failures of the client, of this
 * gateway or of nobody never count. Whoever abandons a request says nothing about completion, but
 * what was measured until then counts.
 *
 * Everything fades by observation time alone, and reading changes nothing: replaying the same
 * observations in the same order gives the same numbers.
 */
import { assert, type Clock } from '../base/index.ts'
import type { WorkerId } from '../protocol/index.ts'
import {
  type CompletionBounds,
  FadingBounds,
  priorFailures,
  priorSuccesses,
  successBounds,
} from './bounds.ts'
import type { DurationEstimate, ProbabilityEstimate, WorkerEvidence } from './evidence.ts'
import type { Observation } from './observation.ts'

/**
 * A home computer's behaviour changes over hours (somebody starts a game); a day-old record is
 * history.
 */
export const completionHalfLifeMs = 60 * 60_000
/** Speed changes faster than soundness: load, heat, other programs. */
export const latencyHalfLifeMs = 10 * 60_000
/** What is older than this weighs less than 10^-14 of a new observation: no need to replay it. */
export const evidenceWindowMs = 48 * completionHalfLifeMs
/** More would change no decision, but would make the record slow to follow a worker that breaks. */
const successesAndFailuresMax = 1_000
/** Worker and model pairs; at about 400 bytes each this is 8 MB. The longest unseen goes first. */
const entriesMaxDefault = 20_000
/**
 * A bound moves by less than 0.02 % per second of fading, so a computed estimate serves that long,
 * or down to half as long, so that those of many workers are not all made anew for one request.
 */
const estimateAgeMaxMs = 1_000

export interface EvidenceBookOptions {
  readonly clock: Clock
  readonly entriesMax?: number
}

/** A decayed mean and variance (West, 1979, with exponential forgetting). */
interface Duration {
  atMs: number
  weight: number
  mean: number
  /** Sum of weighted squared deviations. */
  squares: number
}

interface Entry {
  atMs: number
  successes: number
  failures: number
  readonly ttft: Duration
  readonly tpot: Duration
  readonly bounds: FadingBounds
  estimate: WorkerEvidence | undefined
  estimateAtMs: number
  /** 0 to 1, spread over the entries: what is done from time to time is done at different times. */
  readonly phase: number
}

export class EvidenceBook {
  readonly #clock: Clock
  readonly #entriesMax: number
  /** By model, then worker, so that reading builds no key. */
  readonly #models = new Map<string, Map<WorkerId, Entry>>()
  /** Least recently observed first. */
  #entriesMade = 0
  readonly #ages = new Map<Entry, { readonly worker: WorkerId; readonly model: string }>()
  /** The last one in `ages`. */
  #newest: Entry | undefined

  constructor(options: EvidenceBookOptions) {
    this.#clock = options.clock
    this.#entriesMax = options.entriesMax ?? entriesMaxDefault
    assert(this.#entriesMax >= 1, 'an evidence book holds at least one entry')
  }

  get size(): number {
    return this.#ages.size
  }

  observe(observation: Observation): void {
    // An overloaded gateway measures itself, not the worker.
    if (observation.blame === 'gateway') return
    // A time in the future would make everything else look ancient.
    const atMs = Math.min(observation.atMs, this.#clock.now())
    if (!Number.isFinite(atMs)) return
    const entry = this.#entry(observation.worker, observation.model)
    comeBack(entry, this.#clock.now())
    addCompletion(entry, atMs, completionOf(observation))
    addDuration(entry.ttft, atMs, observation.ttftMs)
    addDuration(entry.tpot, atMs, observation.tpotMs)
    entry.bounds.forget()
    entry.estimate = undefined
  }

  /** Replays kept observations, oldest first, into an empty book. */
  restore(observations: Iterable<Observation>): void {
    for (const observation of observations) this.observe(observation)
  }

  evidence(worker: WorkerId, model: string): WorkerEvidence {
    return this.of(model)(worker)
  }

  /** The records for one model as they are now, for many workers in a row. */
  of(model: string): (worker: WorkerId) => WorkerEvidence {
    const workers = this.#models.get(model)
    if (workers === undefined) return () => newcomer
    const now = this.#clock.now()
    return (worker) => {
      const entry = workers.get(worker)
      return entry === undefined ? newcomer : estimateOf(entry, now)
    }
  }

  #entry(worker: WorkerId, model: string): Entry {
    let workers = this.#models.get(model)
    if (workers === undefined) {
      workers = new Map()
      this.#models.set(model, workers)
    }
    let entry = workers.get(worker)
    if (entry === undefined) {
      this.#entriesMade += 1
      entry = newEntry((this.#entriesMade * goldenRatio) % 1)
      workers.set(worker, entry)
      if (this.#ages.size >= this.#entriesMax) this.#forgetOldest()
    }
    if (entry !== this.#newest) {
      this.#ages.delete(entry)
      this.#ages.set(entry, { worker, model })
      this.#newest = entry
    }
    return entry
  }

  #forgetOldest(): void {
    const oldest = this.#ages.entries().next().value
    if (oldest === undefined) return
    const [entry, { worker, model }] = oldest
    this.#ages.delete(entry)
    if (entry === this.#newest) this.#newest = undefined
    const workers = this.#models.get(model)
    workers?.delete(worker)
    if (workers?.size === 0) this.#models.delete(model)
  }
}

/** Its multiples, modulo 1, are spread as evenly as can be, however many there are. */
const goldenRatio = 0.618_033_988_749_895

function newEntry(phase: number): Entry {
  const empty = () => ({ atMs: 0, weight: 0, mean: 0, squares: 0 })
  return {
    atMs: 0,
    successes: 0,
    failures: 0,
    ttft: empty(),
    tpot: empty(),
    bounds: new FadingBounds(),
    estimate: undefined,
    estimateAtMs: 0,
    phase,
  }
}

/**
 * The clock was set back: what was seen at a time that is now to come counts as seen just now.
 * Otherwise nothing new would weigh anything until that time comes again.
 */
function comeBack(entry: Entry, now: number): void {
  entry.atMs = Math.min(entry.atMs, now)
  entry.ttft.atMs = Math.min(entry.ttft.atMs, now)
  entry.tpot.atMs = Math.min(entry.tpot.atMs, now)
}

/** true: a success; false: a failure that counts; undefined: says nothing. */
function completionOf(observation: Observation): boolean | undefined {
  if (observation.outcome.kind === 'completed') return true
  if (observation.outcome.kind === 'abandoned') return undefined
  return observation.blame === 'node' || observation.blame === 'network' ? false : undefined
}

function addCompletion(entry: Entry, atMs: number, success: boolean | undefined): void {
  if (success === undefined) return
  const fading = fade(entry.atMs, atMs, completionHalfLifeMs)
  const weight = fade(atMs, entry.atMs, completionHalfLifeMs)
  entry.successes = entry.successes * fading + (success ? weight : 0)
  entry.failures = entry.failures * fading + (success ? 0 : weight)
  entry.atMs = Math.max(entry.atMs, atMs)
  const total = entry.successes + entry.failures
  if (total > successesAndFailuresMax) {
    entry.successes *= successesAndFailuresMax / total
    entry.failures *= successesAndFailuresMax / total
  }
}

function addDuration(duration: Duration, atMs: number, valueMs: number | null): void {
  if (valueMs === null || !Number.isFinite(valueMs) || valueMs < 0) return
  const fading = fade(duration.atMs, atMs, latencyHalfLifeMs)
  const weight = fade(atMs, duration.atMs, latencyHalfLifeMs)
  duration.weight = duration.weight * fading + weight
  const difference = valueMs - duration.mean
  duration.mean += (difference * weight) / duration.weight
  duration.squares = duration.squares * fading + weight * difference * (valueMs - duration.mean)
  duration.atMs = Math.max(duration.atMs, atMs)
}

/** What is left at `toMs` of a weight of 1 at `fromMs`; 1 where `toMs` is not later. */
function fade(fromMs: number, toMs: number, halfLifeMs: number): number {
  return toMs <= fromMs ? 1 : 2 ** ((fromMs - toMs) / halfLifeMs)
}

function estimateOf(entry: Entry, now: number): WorkerEvidence {
  const { estimate, phase } = entry
  const ageMs = Math.abs(now - entry.estimateAtMs)
  if (estimate !== undefined && ageMs < estimateAgeMaxMs * (1 - phase / 2)) return estimate
  const fresh: WorkerEvidence = {
    completion: probabilityEstimate(entry, now),
    ttft: durationEstimate(entry.ttft, now),
    tpot: durationEstimate(entry.tpot, now),
  }
  entry.estimate = fresh
  entry.estimateAtMs = now
  return fresh
}

function probabilityEstimate(entry: Entry, now: number): ProbabilityEstimate {
  const bounds = entry.bounds.at(now - entry.atMs, (ageMs) => {
    const left = fade(0, ageMs, completionHalfLifeMs)
    return { successes: entry.successes * left, failures: entry.failures * left }
  })
  const left = fade(entry.atMs, now, completionHalfLifeMs)
  return completionEstimate(entry.successes * left, entry.failures * left, bounds)
}

function completionEstimate(
  successes: number,
  failures: number,
  { lower, upper }: CompletionBounds,
): ProbabilityEstimate {
  const samples = successes + failures
  const mean = (priorSuccesses + successes) / (priorSuccesses + priorFailures + samples)
  return { mean, lowerBound: lower, upperBound: upper, samples }
}

function durationEstimate(duration: Duration, now: number): DurationEstimate | undefined {
  if (duration.weight === 0) return undefined
  return {
    meanMs: duration.mean,
    deviationMs: Math.sqrt(Math.max(0, duration.squares / duration.weight)),
    samples: duration.weight * fade(duration.atMs, now, latencyHalfLifeMs),
  }
}

/** What is known of a worker that nobody has seen at work. */
export const newcomer: WorkerEvidence = Object.freeze({
  completion: Object.freeze(completionEstimate(0, 0, successBounds({ successes: 0, failures: 0 }))),
  ttft: undefined,
  tpot: undefined,
})
