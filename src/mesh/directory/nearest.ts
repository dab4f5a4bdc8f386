/** The few nearest of many cards. */
import { type Card, type Outlook, outlooksApartMs } from './card.ts'
import { directoryLimits } from './limits.ts'

/** In the order of their distance; who is farther than the last has no place. */
export class Nearest {
  readonly cards: Card[] = []
  readonly #outlook: Outlook
  readonly #count: number
  readonly #awayMs: number[] = []
  #worstMs: number

  constructor(outlook: Outlook, count: number, reachMs: number) {
    this.#outlook = outlook
    this.#count = count
    this.#worstMs = Math.min(directoryLimits.unknownMs, reachMs)
  }

  offer(card: Card, outlook: Outlook): void {
    const ms = outlooksApartMs(this.#outlook, outlook)
    if (ms >= this.#worstMs) return
    let place = this.cards.length
    while (place > 0 && (this.#awayMs[place - 1] as number) > ms) place -= 1
    this.cards.splice(place, 0, card)
    this.#awayMs.splice(place, 0, ms)
    if (this.cards.length > this.#count) {
      this.cards.pop()
      this.#awayMs.pop()
    }
    if (this.cards.length === this.#count) this.#worstMs = this.#awayMs[this.#count - 1] as number
  }
}
