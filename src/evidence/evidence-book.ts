/**
 * The records of all workers, one per worker and model, kept up to date by observations.
 *
 * What counts against a worker: failures blamed on the node, and failures blamed on the network,
 * because the record answers "does a request that *this* gateway sends there come back?", and a
 * path that breaks is as bad for the client as a node that breaks. Failures of the client, of this
 * gateway or of nobody never count. Whoever abandons a request says nothing about completion, but
 * what was measured until then counts.
 *
 * What breaks the rules is held against the worker in all of its models; what it did well in one
 * counts for that one alone.
 *
 * Everything fades by observation time alone, and reading changes nothing: replaying the same
 * observations in the same order gives the same numbers.
 */
import { assert, type Clock } from '../base/index.ts'
import type { WorkerId } from '../protocol/index.ts'
import type { WorkerEvidence } from './evidence.ts'
import type { Observation } from './observation.ts'
import {
  addFault,
  addObservation,
  type Entry,
  estimateOf,
  type Heard,
  hear,
  heardNow,
  newcomer,
  newEntry,
  newWorkerRecord,
  ownCounts,
  unseenEstimate,
  type WorkerRecord,
} from './record.ts'
import type { Sighting } from './sighting.ts'

/**
 * Worker and model pairs, and workers; at 0.8 to 2 KB each this is 16 to 40 MB. The longest unseen
 * goes first.
 */
const entriesMaxDefault = 20_000
export interface EvidenceBookOptions {
  readonly clock: Clock
  readonly entriesMax?: number
}

/** Decayed counts of requests. */
export interface Seen {
  readonly worker: WorkerId
  readonly model: string
  readonly right: number
  readonly failed: number
}

export class EvidenceBook {
  readonly #clock: Clock
  readonly #entriesMax: number
  /** Least recently sighted first. */
  readonly #workers = new Map<WorkerId, WorkerRecord>()
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
    addObservation(entry, observation, { atMs, now: this.#clock.now() })
  }

  /** What was seen of a worker besides requests. */
  sight({ worker, kind, fromMs, atMs: saidMs }: Sighting): void {
    const now = this.#clock.now()
    const atMs = Math.min(saidMs, now)
    if (!Number.isFinite(atMs) || !Number.isFinite(fromMs)) return
    const record = this.#worker(worker)
    record.presence.comeBack(now)
    if (kind === 'fault') {
      addFault(record, atMs)
      return
    }
    record.presence.seen(Math.min(fromMs, atMs), atMs)
    if (kind === 'lost') record.presence.lost(atMs)
    record.version += 1
  }

  /**
   * What another gateway says that a worker has done, as a part of a fault; below 0: it says so no
   * longer. It is not kept: that gateway says it again.
   */
  hear(
    worker: WorkerId,
    { atMs, weight }: { readonly atMs: number; readonly weight: number },
  ): void {
    const saidMs = Math.min(atMs, this.#clock.now())
    if (Number.isFinite(saidMs)) addFault(this.#worker(worker), saidMs, weight)
  }

  /** What other gateways have seen of it, all together, in place of what they said before. */
  count(worker: WorkerId, model: string, heard: Heard): void {
    hear(this.#entry(worker, model), heard)
  }

  /** What counts now of what other gateways said, in requests of one's own. */
  heard(worker: WorkerId, model: string): Pick<Heard, 'successes' | 'failures'> | undefined {
    const entry = this.#models.get(model)?.get(worker)
    return entry && heardNow(entry, this.#clock.now())
  }

  /** What this gateway has seen itself since then, and nothing that it heard. */
  *seenSince(sinceMs: number): IterableIterator<Seen> {
    const now = this.#clock.now()
    for (const [entry, { model, worker }] of this.#ages) {
      if (entry.atMs < sinceMs) continue
      const { failures: failed, successes: right } = ownCounts(entry, now)
      yield { worker, model, right, failed }
    }
  }

  /** Replays what was kept, oldest first, into an empty book. */
  restore(observations: Iterable<Observation>, sightings: Iterable<Sighting> = []): void {
    for (const observation of observations) this.observe(observation)
    for (const sighting of sightings) this.sight(sighting)
  }

  evidence(worker: WorkerId, model: string): WorkerEvidence {
    return this.of(model)(worker)
  }

  /** The records for one model as they are now, for many workers in a row. */
  of(model: string): (worker: WorkerId) => WorkerEvidence {
    const workers = this.#models.get(model)
    const now = this.#clock.now()
    return (worker) => {
      const entry = workers?.get(worker)
      if (entry !== undefined) return estimateOf(entry, now)
      const record = this.#workers.get(worker)
      return record === undefined ? newcomer : unseenEstimate(record, now)
    }
  }

  /** From now on its rate is measured anew: it is re-checked by what it does from here on. */
  remeasure(worker: WorkerId, model: string): void {
    const entry = this.#models.get(model)?.get(worker)
    if (entry === undefined) return
    entry.rate.forget()
    entry.estimate = undefined
  }

  #worker(worker: WorkerId): WorkerRecord {
    const known = this.#workers.get(worker)
    if (known !== undefined) {
      this.#workers.delete(worker)
      this.#workers.set(worker, known)
      return known
    }
    const record = newWorkerRecord()
    if (this.#workers.size >= this.#entriesMax) {
      const oldest = this.#workers.keys().next().value
      if (oldest !== undefined) this.#workers.delete(oldest)
    }
    this.#workers.set(worker, record)
    return record
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
      entry = newEntry((this.#entriesMade * goldenRatio) % 1, this.#worker(worker))
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
