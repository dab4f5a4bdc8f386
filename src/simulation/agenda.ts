/**
 * What is to happen, in order of time: a heap of four children per place, whose keys lie in typed
 * arrays. What falls on one instant is ordered by whom it concerns, who caused it, and how many
 * things that one has caused before: never by when it was written down. So the order is the same
 * however the hosts are divided among threads.
 */
export interface Entry {
  readonly atMs: number
  /** Whom it concerns; -1 is the world itself. */
  readonly target: number
  /** Who caused it; -1 is the world or the target's own clock. */
  readonly source: number
  /** Counts what the source has caused. */
  readonly order: number
}

const arity = 4
const firstCapacity = 1024

export class Agenda<TEntry extends Entry> {
  /** In heap order. */
  #times = new Float64Array(firstCapacity)
  #slots = new Int32Array(firstCapacity)
  /** By slot: entries stay where they are while their keys move. */
  readonly #entries: (TEntry | undefined)[] = []
  readonly #freeSlots: number[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** Infinity where nothing is to happen. */
  get nextAtMs(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  /** Whom the earliest concerns. Only while there is one. */
  get nextTarget(): number {
    return (this.#entries[this.#slots[0] as number] as TEntry).target
  }

  add(entry: TEntry): void {
    const slot = this.#freeSlots.pop() ?? this.#entries.length
    this.#entries[slot] = entry
    if (this.#length === this.#times.length) this.#grow()
    this.#rise(this.#length, entry.atMs, slot)
    this.#length += 1
  }

  /** The earliest. Only while there is one. */
  take(): TEntry {
    const slot = this.#slots[0] as number
    const entry = this.#entries[slot] as TEntry
    this.#entries[slot] = undefined
    this.#freeSlots.push(slot)
    this.#length -= 1
    if (this.#length > 0) {
      this.#sink(this.#times[this.#length] as number, this.#slots[this.#length] as number)
    }
    return entry
  }

  #rise(from: number, atMs: number, slot: number): void {
    const times = this.#times
    const slots = this.#slots
    let place = from
    while (place > 0) {
      const parent = Math.floor((place - 1) / arity)
      const above = times[parent] as number
      if (above < atMs || (above === atMs && this.#isBefore(slots[parent] as number, slot))) break
      times[place] = above
      slots[place] = slots[parent] as number
      place = parent
    }
    times[place] = atMs
    slots[place] = slot
  }

  #sink(atMs: number, slot: number): void {
    const times = this.#times
    const slots = this.#slots
    let place = 0
    for (;;) {
      const first = place * arity + 1
      if (first >= this.#length) break
      const child = this.#earliest(first, Math.min(first + arity, this.#length))
      const below = times[child] as number
      if (below > atMs || (below === atMs && this.#isBefore(slot, slots[child] as number))) break
      times[place] = below
      slots[place] = slots[child] as number
      place = child
    }
    times[place] = atMs
    slots[place] = slot
  }

  #earliest(first: number, end: number): number {
    const times = this.#times
    let best = first
    let bestAtMs = times[first] as number
    for (let child = first + 1; child < end; child += 1) {
      const atMs = times[child] as number
      if (atMs > bestAtMs) continue
      const slots = this.#slots
      if (atMs === bestAtMs && !this.#isBefore(slots[child] as number, slots[best] as number)) {
        continue
      }
      best = child
      bestAtMs = atMs
    }
    return best
  }

  /** Among entries of one instant. */
  #isBefore(slot: number, otherSlot: number): boolean {
    const one = this.#entries[slot] as TEntry
    const other = this.#entries[otherSlot] as TEntry
    if (one.target !== other.target) return one.target < other.target
    if (one.source !== other.source) return one.source < other.source
    return one.order < other.order
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2)
    times.set(this.#times)
    this.#times = times
    const slots = new Int32Array(this.#slots.length * 2)
    slots.set(this.#slots)
    this.#slots = slots
  }
}
