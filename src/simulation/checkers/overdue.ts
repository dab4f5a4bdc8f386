/** What may be wrong for a while, and for no longer than a bound. */
export interface Violation<TKey> {
  readonly key: TKey
  readonly sinceMs: number
}

/** Kept to be shown; the count goes on. */
const violationsKeptMax = 20

export class Overdue<TKey> {
  readonly boundMs: number
  /** The first ones. */
  readonly violations: Violation<TKey>[] = []
  #since = new Map<TKey, number>()
  #beforeMs = 0
  #count = 0
  #longestMs = 0

  constructor(boundMs: number) {
    this.boundMs = boundMs
  }

  /** How often it was wrong for longer than the bound. */
  get count(): number {
    return this.#count
  }

  /** The longest time that something was wrong. */
  get longestMs(): number {
    return this.#longestMs
  }

  /** @param wrong all that is wrong now */
  observe(wrong: Iterable<TKey>, nowMs: number): void {
    const since = new Map<TKey, number>()
    for (const key of wrong) {
      const sinceMs = this.#since.get(key) ?? nowMs
      since.set(key, sinceMs)
      const lengthMs = nowMs - sinceMs
      this.#longestMs = Math.max(this.#longestMs, lengthMs)
      const isKnown = this.#beforeMs - sinceMs > this.boundMs
      if (lengthMs <= this.boundMs || isKnown) continue
      this.#count += 1
      if (this.violations.length < violationsKeptMax) this.violations.push({ key, sinceMs })
    }
    this.#since = since
    this.#beforeMs = nowMs
  }
}
