/**
 * One direction of a simulated link: frames in order, each after delay, jitter and what losses
 * cost.
 *
 * It stands for TCP: a lost piece is sent again after a retransmission time-out that doubles, and
 * what follows waits for it. During a partition nothing arrives; afterwards everything does, after
 * one time-out more.
 */
import type { Clock, Random, Timer } from '../../base/index.ts'
import type { Metadata } from '../transport.ts'

export interface LinkOptions {
  /** One way. */
  readonly delayMs: number
  /** Every frame waits up to this much longer, uniformly. */
  readonly jitterMs: number
  /** Share of frames lost on each try, below 1. */
  readonly loss: number
}

/** What can be changed while connections use it. */
export interface LinkState extends LinkOptions {
  readonly partitioned: boolean
}

export type Frame =
  | { readonly kind: 'open'; readonly id: number; readonly metadata: Metadata }
  | { readonly kind: 'message'; readonly id: number; readonly message: Uint8Array }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'trailers'; readonly id: number; readonly trailers: Metadata }
  | { readonly kind: 'reset'; readonly id: number; readonly refused: boolean }
  /** The reader took this many bytes of a stream. */
  | { readonly kind: 'credit'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'ping' | 'pong'; readonly id: number }
  | { readonly kind: 'goaway' }

/** Linux's minimum retransmission time-out. */
const retransmissionMs = 200
const doublingsMax = 6
/** Clocks count ms since 1970 in floating point: less than this is no time at all. */
const resolutionMs = 0.001

export interface WireModules {
  readonly clock: Clock
  readonly random: Random
  readonly link: () => LinkState
}

export class Wire<T> {
  readonly #modules: WireModules
  readonly #deliver: (item: T) => void
  #items: { at: number; readonly item: T }[] = []
  #latest = 0
  #timer: Timer | undefined
  #scheduled = false
  #cut = false

  constructor(modules: WireModules, deliver: (item: T) => void) {
    this.#modules = modules
    this.#deliver = deliver
  }

  send(item: T): void {
    if (this.#cut) return
    this.#latest = Math.max(this.#latest, this.#modules.clock.monotonic() + this.#travelMs())
    this.#items.push({ at: this.#latest, item })
    this.#schedule()
  }

  /** After a partition: what waits is sent again. */
  healed(): void {
    const at = this.#modules.clock.monotonic() + this.#modules.link().delayMs + retransmissionMs
    for (const entry of this.#items) entry.at = Math.max(entry.at, at)
    this.#latest = Math.max(this.#latest, at)
    this.#schedule()
  }

  /** Nothing arrives any more. */
  cut(): void {
    this.#cut = true
    this.#items = []
    this.#timer?.cancel()
  }

  #travelMs(): number {
    const { delayMs, jitterMs, loss } = this.#modules.link()
    let travelMs = delayMs + this.#modules.random.float() * jitterMs
    let timeoutMs = Math.max(retransmissionMs, 2 * delayMs)
    for (let i = 0; i < doublingsMax && this.#modules.random.float() < loss; i += 1) {
      travelMs += timeoutMs
      timeoutMs *= 2
    }
    return travelMs
  }

  #schedule(): void {
    const next = this.#items[0]
    if (next === undefined || this.#scheduled || this.#modules.link().partitioned) return
    this.#scheduled = true
    const waitMs = next.at - this.#modules.clock.monotonic()
    const arrive = () => {
      this.#scheduled = false
      this.#arrive()
    }
    // Without delay no clock has to move: the order of microtasks is deterministic too.
    if (waitMs <= resolutionMs) queueMicrotask(arrive)
    else this.#timer = this.#modules.clock.after(waitMs, arrive)
  }

  #arrive(): void {
    const now = this.#modules.clock.monotonic()
    while (!this.#cut && !this.#modules.link().partitioned) {
      const next = this.#items[0]
      if (next === undefined || next.at > now + resolutionMs) break
      this.#items.shift()
      this.#deliver(next.item)
    }
    if (!this.#cut) this.#schedule()
  }
}
