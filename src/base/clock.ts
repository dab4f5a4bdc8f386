/**
 * Time as an argument. `systemClock` is the machine's; `ManualClock` is the tests' and simulator's.
 *
 * `now()` is wall-clock time in ms since 1970 (for expiry and records that others read);
 * `monotonic()` is ms since some start and never jumps (for durations).
 */
import { assert } from './assert.ts'

export interface Timer {
  cancel(): void
}

export interface Clock {
  now(): number
  monotonic(): number
  /** Calls `action` once, `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, action: () => void): Timer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, action) {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number) => {
      const nextMs = Math.min(leftMs, timeoutMaxMs)
      handle = setTimeout(() => (leftMs > nextMs ? arm(leftMs - nextMs) : action()), nextMs)
      handle.unref()
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}

/** `setTimeout` counts in 32 bits (25 days) and fires at once for more. */
const timeoutMaxMs = 2 ** 31 - 1

/** Resolves after `delayMs`; rejects with the signal's reason if it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

interface Pending {
  readonly at: number
  readonly order: number
  readonly action: () => void
}

/** A clock that moves only when told to; due actions run in order of time, then of creation. */
export class ManualClock implements Clock {
  #now: number
  #order = 0
  #pending: Pending[] = []
  readonly #start: number

  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs
    this.#start = startMs
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now - this.#start
  }

  after(delayMs: number, action: () => void): Timer {
    assert(!Number.isNaN(delayMs), 'a delay is a number')
    const entry: Pending = { at: this.#now + Math.max(0, delayMs), order: this.#order++, action }
    this.#pending.push(entry)
    this.#pending.sort((a, b) => a.at - b.at || a.order - b.order)
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== entry)
      },
    }
  }

  /** Moves time forward, running what falls due on the way. */
  advance(byMs: number): void {
    assert(byMs >= 0, 'time moves forward')
    const end = this.#now + byMs
    for (;;) {
      const next = this.#pending[0]
      if (next === undefined || next.at > end) break
      this.#pending.shift()
      this.#now = next.at
      next.action()
    }
    this.#now = end
  }

  /** Like `advance`, letting promise callbacks run between due actions. */
  async advanceAsync(byMs: number): Promise<void> {
    const end = this.#now + byMs
    await settle()
    for (;;) {
      const next = this.#pending[0]
      if (next === undefined || next.at > end) break
      this.advance(next.at - this.#now)
      await settle()
    }
    this.advance(end - this.#now)
    await settle()
  }
}

/** Lets every promise callback that is already due run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
