/**
 * Whom to probe next: everyone once per round, each round in another order, a newcomer at a random
 * place of the present one (SWIM, section 4.3). So each member probes a crashed one within a round.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'

export class ProbeOrder {
  readonly #random: Random
  #order: NodeId[] = []
  #next = 0
  /** Who had a further turn in the present round. */
  readonly #again = new Set<NodeId>()

  constructor(random: Random) {
    this.#random = random
  }

  get isEmpty(): boolean {
    return this.#order.length === 0
  }

  add(id: NodeId): void {
    const place = this.#next + this.#random.below(this.#order.length - this.#next + 1)
    this.#order.splice(place, 0, id)
  }

  remove(id: NodeId): void {
    const index = this.#order.indexOf(id)
    if (index < 0) return
    this.#order.splice(index, 1)
    if (index < this.#next) this.#next -= 1
  }

  /**
   * It is the next one. Whoever had its turn in this round has one more, not any number: a member
   * that is suspected again and again would take all turns from the others.
   */
  hasten(id: NodeId): void {
    const index = this.#order.indexOf(id)
    if (index < 0) return
    if (index < this.#next) {
      if (this.#again.has(id)) return
      this.#again.add(id)
    }
    this.#order.splice(index, 1)
    if (index < this.#next) this.#next -= 1
    this.#order.splice(this.#next, 0, id)
  }

  next(): NodeId | undefined {
    if (this.#next >= this.#order.length) {
      shuffle(this.#order, this.#random)
      this.#next = 0
      this.#again.clear()
    }
    const id = this.#order[this.#next]
    if (id !== undefined) this.#next += 1
    return id
  }
}

/** In place, every order equally likely (Fisher and Yates). */
export function shuffle<T>(items: T[], random: Random): void {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1)
    swap(items, last, other)
  }
}

function swap<T>(items: T[], one: number, other: number): void {
  const held = items[one] as T
  items[one] = items[other] as T
  items[other] = held
}

/** So many of them, each equally likely. */
export function drawn<T>(items: readonly T[], count: number, random: Random): T[] {
  const copy = [...items]
  const drawn = Math.min(count, copy.length)
  for (let place = 0; place < drawn; place += 1) {
    const other = place + random.below(copy.length - place)
    swap(copy, place, other)
  }
  copy.length = drawn
  return copy
}
