/**
 * What is under way at the moment, when much of it comes and goes.
 *
 * A `Set` or `Map` would do, but V8 keeps each table that such a collection outgrew, with all that
 * was in it, until the next full collection of garbage: under load whole requests live on in
 * them, and the memory of the process doubles. Here one array stays, and what is taken out is
 * gone.
 */
export class SlotList<T> {
  readonly #items: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#items.length - this.#free.length
  }

  /** Returns the slot, by which the item is taken out again. */
  add(item: T): number {
    const slot = this.#free.pop() ?? this.#items.length
    this.#items[slot] = item
    return slot
  }

  /** Once per slot: afterwards it is another item's. */
  remove(slot: number): void {
    if (this.#items[slot] === undefined) return
    this.#items[slot] = undefined
    this.#free.push(slot)
  }

  /** In no particular order. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const item of this.#items) if (item !== undefined) yield item
  }
}
