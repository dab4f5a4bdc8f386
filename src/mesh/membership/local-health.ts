/**
 * How slow one is oneself (Lifeguard, section IV.A): 0 is healthy. A member that misses answers
 * which others should have given suspects itself first, and gives everyone more time.
 */
import type { NodeId } from '../../protocol/index.ts'

/** An accuser that lies must not slow anyone; one that is right comes back after its next round. */
const accuserPauseMs = 10_000
/** A cluster's members. */
const accusersMax = 64

export class LocalHealth {
  #score = 0
  readonly #scoreMax: number
  /** When each last counted, the oldest first. */
  readonly #accusedAtMs = new Map<NodeId, number>()

  /** @param scoreMax 0 turns it off */
  constructor(scoreMax: number) {
    this.#scoreMax = scoreMax
  }

  get score(): number {
    return this.#score
  }

  /** What intervals and timeouts are multiplied by. */
  get factor(): number {
    return this.#score + 1
  }

  worse(by: number): void {
    this.#score = Math.min(this.#scoreMax, this.#score + by)
  }

  /** Accused, and alive after all: too slow to answer, it seems. */
  accused(by: NodeId, nowMs: number): void {
    const lastMs = this.#accusedAtMs.get(by) ?? Number.NEGATIVE_INFINITY
    if (nowMs - lastMs < accuserPauseMs) return
    this.#accusedAtMs.delete(by)
    this.#accusedAtMs.set(by, nowMs)
    const oldest = this.#accusedAtMs.keys().next().value
    if (this.#accusedAtMs.size > accusersMax && oldest !== undefined) {
      this.#accusedAtMs.delete(oldest)
    }
    this.worse(1)
  }

  better(): void {
    this.#score = Math.max(0, this.#score - 1)
  }
}
