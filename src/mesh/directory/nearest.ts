/** The few nearest of many cards. */
import type { Card } from './card.ts'
import { directoryLimits } from './limits.ts'

/** In the order of their distance; who is farther than the last has no place. */
export class Nearest {
  readonly cards: Card[] = []
  readonly #count: number
  readonly #awayMs: number[] = []
  #withinMs: number

  constructor(count: number, reachMs: number) {
    this.#count = count
    this.#withinMs = Math.min(directoryLimits.unknownMs, reachMs)
  }

  /** Who is not nearer has no place. */
  get withinMs(): number {
    return this.#withinMs
  }

  offer(card: Card, ms: number): void {
    if (ms >= this.#withinMs) return
    const { cards } = this
    const awayMs = this.#awayMs
    // Later ones move by one; the last makes room when there is none left.
    let place = cards.length < this.#count ? cards.length : this.#count - 1
    for (; place > 0 && (awayMs[place - 1] as number) > ms; place -= 1) {
      cards[place] = cards[place - 1] as Card
      awayMs[place] = awayMs[place - 1] as number
    }
    cards[place] = card
    awayMs[place] = ms
    if (cards.length === this.#count) this.#withinMs = awayMs[this.#count - 1] as number
  }
}
