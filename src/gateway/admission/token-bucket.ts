/**
 * A token bucket: holds a minute's worth, refills evenly. Pure: time is passed in, ms on a clock
 * that never jumps.
 */
const minuteMs = 60_000

export interface BucketState {
  readonly limit: number
  readonly remaining: number
  /** Until it is full again. */
  readonly resetMs: number
}

export class TokenBucket {
  readonly limit: number
  #level: number
  #atMs: number

  constructor(limitPerMinute: number, nowMs: number) {
    this.limit = limitPerMinute
    this.#level = limitPerMinute
    this.#atMs = nowMs
  }

  /**
   * 0 when `amount` can be taken now; otherwise ms until it can. More than a minute's worth waits
   * for a full one.
   */
  waitMs(amount: number, nowMs: number): number {
    this.#refill(nowMs)
    const missing = Math.min(amount, this.limit) - this.#level
    return missing <= 0 ? 0 : Math.ceil((missing * minuteMs) / this.limit)
  }

  /**
   * May leave the bucket in debt, when an answer was longer than expected. A negative amount gives
   * back.
   */
  take(amount: number, nowMs: number): void {
    this.#refill(nowMs)
    this.#level = Math.min(this.limit, this.#level - amount)
  }

  state(nowMs: number): BucketState {
    this.#refill(nowMs)
    return {
      limit: this.limit,
      remaining: Math.max(0, Math.floor(this.#level)),
      resetMs: Math.ceil(((this.limit - this.#level) * minuteMs) / this.limit),
    }
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return
    const gained = ((nowMs - this.#atMs) * this.limit) / minuteMs
    this.#level = Math.min(this.limit, this.#level + gained)
    this.#atMs = nowMs
  }
}
