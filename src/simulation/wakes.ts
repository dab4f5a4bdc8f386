/**
 * When each host is to be woken: a heap of four children per place that knows where each host is in
 * it. So a host has one time, which moves as often as it likes; nothing is written for it.
 */
const arity = 4
/** Two to this is the arity. */
const aritySteps = 2
const nowhere = -1

export class Wakes {
  /** By host; infinity: not at all. */
  readonly #times: Float64Array
  /** Hosts, the earliest first; of one instant the lesser host. */
  readonly #heap: Int32Array
  readonly #placeOf: Int32Array
  #length = 0

  constructor(hosts: number) {
    this.#times = new Float64Array(hosts).fill(Number.POSITIVE_INFINITY)
    this.#heap = new Int32Array(hosts)
    this.#placeOf = new Int32Array(hosts).fill(nowhere)
  }

  /** Whose turn is next; -1: nobody's. */
  get next(): number {
    return this.#length === 0 ? nowhere : (this.#heap[0] as number)
  }

  /** Infinity where nobody is to be woken. */
  get nextAtMs(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.at(this.#heap[0] as number)
  }

  at(host: number): number {
    return this.#times[host] as number
  }

  set(host: number, atMs: number): void {
    const beforeMs = this.at(host)
    if (atMs === beforeMs) return
    if (atMs === Number.POSITIVE_INFINITY) {
      this.#remove(host)
      return
    }
    this.#times[host] = atMs
    const place = this.#placeOf[host] as number
    if (place === nowhere) this.#rise(this.#length++, host)
    else if (atMs < beforeMs) this.#rise(place, host)
    else this.#sink(place, host)
  }

  #remove(host: number): void {
    this.#times[host] = Number.POSITIVE_INFINITY
    const place = this.#placeOf[host] as number
    this.#placeOf[host] = nowhere
    this.#length -= 1
    if (place === this.#length) return
    const last = this.#heap[this.#length] as number
    const parent = (place - 1) >> aritySteps
    if (place > 0 && this.#isBefore(last, this.#heap[parent] as number)) this.#rise(place, last)
    else this.#sink(place, last)
  }

  #rise(from: number, host: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> aritySteps
      const above = this.#heap[parent] as number
      if (!this.#isBefore(host, above)) break
      this.#put(place, above)
      place = parent
    }
    this.#put(place, host)
  }

  #sink(from: number, host: number): void {
    let place = from
    for (;;) {
      const first = place * arity + 1
      if (first >= this.#length) break
      let best = this.#heap[first] as number
      let bestPlace = first
      const end = Math.min(first + arity, this.#length)
      for (let child = first + 1; child < end; child += 1) {
        const other = this.#heap[child] as number
        if (!this.#isBefore(other, best)) continue
        best = other
        bestPlace = child
      }
      if (!this.#isBefore(best, host)) break
      this.#put(place, best)
      place = bestPlace
    }
    this.#put(place, host)
  }

  #put(place: number, host: number): void {
    this.#heap[place] = host
    this.#placeOf[host] = place
  }

  #isBefore(one: number, other: number): boolean {
    const oneMs = this.at(one)
    const otherMs = this.at(other)
    return oneMs < otherMs || (oneMs === otherMs && one < other)
  }
}
