/** Counts minor faults: one may be a mistake, several within a while are no accident. */
import type { WorkerId } from '../../protocol/index.ts'
import type { FaultKind } from './fault.ts'

/** A worker that gives one malformed answer in a thousand has not reached this in the time. */
export const repeatedMin = 5
export const repeatedMs = 10 * 60_000
/** About 300 bytes each; the longest unseen goes first. */
const workersMax = 10_000

interface Seen {
  readonly kind: FaultKind
  readonly atMs: number
}

export class MinorFaults {
  readonly #seen = new Map<WorkerId, readonly Seen[]>()

  /** @returns the kinds that were seen, where they have become too many; their count begins anew */
  add(worker: WorkerId, kind: FaultKind, now: number): FaultKind[] | undefined {
    const recent = (this.#seen.get(worker) ?? []).filter(({ atMs }) => now - atMs < repeatedMs)
    const seen = [...recent, { kind, atMs: now }]
    this.#seen.delete(worker)
    if (seen.length >= repeatedMin) return seen.map((one) => one.kind)
    this.#seen.set(worker, seen)
    const oldest = this.#seen.keys().next().value
    if (this.#seen.size > workersMax && oldest !== undefined) this.#seen.delete(oldest)
    return undefined
  }

  forget(worker: WorkerId): void {
    this.#seen.delete(worker)
  }
}
