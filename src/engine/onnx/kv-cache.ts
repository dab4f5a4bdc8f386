/**
 * The KV cache of all slots: one buffer per layer and kind, [rows, keyValueHeads, capacity,
 * headSize].
 *
 * A row holds one slot's generation. The rows of a batch must lie side by side, since a batch is a
 * view into the buffers; when generations end in the middle, `gather` moves rows, which happens
 * once per change of the batch and not once per step.
 */
import { assert } from '../../base/index.ts'
import type { DecoderArchitecture } from '../../models/index.ts'
import { IsochroneError } from '../../protocol/index.ts'

export interface KvCacheOptions {
  readonly architecture: Pick<DecoderArchitecture, 'keyValueHeads' | 'headSize'>
  readonly layers: number
  readonly rows: number
  /** Tokens per row. */
  readonly capacity: number
  readonly type: 'float32' | 'float16'
}

export type KvValues = Float32Array | Float16Array

export class KvCache {
  readonly #options: KvCacheOptions
  #capacity: number
  /** Key and value of layer i at 2i and 2i + 1. */
  #buffers: readonly KvValues[]
  readonly #rowOfSlot: number[]
  readonly #slotOfRow: number[]
  /** Tokens that each row may hold; no row has anything valid beyond. */
  readonly #held: number[]

  constructor(options: KvCacheOptions) {
    const { rows, capacity } = options
    this.#options = options
    this.#capacity = capacity
    this.#buffers = this.#allocate(capacity)
    this.#rowOfSlot = Array.from({ length: rows }, (_, i) => i)
    this.#slotOfRow = Array.from({ length: rows }, (_, i) => i)
    this.#held = new Array<number>(rows).fill(0)
  }

  /** Tokens per row. */
  get capacity(): number {
    return this.#capacity
  }

  /** Makes room for more tokens per row. Views from before are no longer the cache. */
  grow(capacity: number): void {
    const { rows, architecture } = this.#options
    const { keyValueHeads, headSize } = architecture
    const before = this.#capacity
    const buffers = this.#allocate(capacity)
    for (const [index, buffer] of buffers.entries()) {
      for (let head = 0; head < rows * keyValueHeads; head += 1) {
        const tokens = this.#held[Math.floor(head / keyValueHeads)] ?? 0
        const from = head * before * headSize
        const values = this.#buffers[index]?.subarray(from, from + tokens * headSize)
        buffer.set(values ?? [], head * capacity * headSize)
      }
    }
    this.#buffers = buffers
    this.#capacity = capacity
  }

  rowOf(slot: number): number {
    const row = this.#rowOfSlot[slot]
    assert(row !== undefined, 'a slot of this runner')
    return row
  }

  /** The slot now holds so many tokens. */
  hold(slot: number, tokens: number): void {
    assert(tokens <= this.#capacity, 'a slot holds no more than its capacity')
    this.#held[this.rowOf(slot)] = tokens
  }

  /** @returns the values of rows `[first, first + count)`, in place, and their shape */
  view(
    index: number,
    first: number,
    count: number,
  ): { readonly values: KvValues; readonly shape: readonly number[] } {
    const { keyValueHeads, headSize } = this.#options.architecture
    const size = keyValueHeads * this.#capacity * headSize
    const buffer = this.#buffers[index]
    assert(buffer !== undefined, 'a layer of this runner')
    return {
      values: buffer.subarray(first * size, (first + count) * size),
      shape: [count, keyValueHeads, this.#capacity, headSize],
    }
  }

  /**
   * Moves these slots' rows side by side, with as little copying as it takes. @returns the first
   * row
   */
  gather(slots: readonly number[]): number {
    let lowest = this.#slotOfRow.length
    let highest = -1
    for (const slot of slots) {
      const row = this.rowOf(slot)
      if (row < lowest) lowest = row
      if (row > highest) highest = row
    }
    if (highest - lowest + 1 === slots.length) return lowest
    const wanted = new Set(slots)
    const first = this.#cheapestWindow(wanted)
    const end = first + slots.length
    const vacant = this.#slotOfRow
      .map((_, row) => row)
      .filter((row) => row >= first && row < end && !wanted.has(this.#slotAt(row)))
    for (const slot of slots) {
      const row = this.rowOf(slot)
      if (row >= first && row < end) continue
      const target = vacant.pop()
      assert(target !== undefined, 'a window has as many rows as slots')
      this.#swap(row, target)
    }
    return first
  }

  /** Where the fewest tokens have to move. */
  #cheapestWindow(wanted: ReadonlySet<number>): number {
    const rows = this.#slotOfRow.length
    let best = 0
    let leastCost = Number.POSITIVE_INFINITY
    for (let first = 0; first + wanted.size <= rows; first += 1) {
      let cost = 0
      for (let row = 0; row < rows; row += 1) {
        const isInside = row >= first && row < first + wanted.size
        if (isInside !== wanted.has(this.#slotAt(row))) cost += (this.#held[row] ?? 0) + 1
      }
      if (cost < leastCost) {
        leastCost = cost
        best = first
      }
    }
    return best
  }

  #allocate(capacity: number): readonly KvValues[] {
    const { architecture, layers, rows, type } = this.#options
    const elements = rows * architecture.keyValueHeads * capacity * architecture.headSize
    try {
      return Array.from({ length: 2 * layers }, () =>
        type === 'float16' ? new Float16Array(elements) : new Float32Array(elements),
      )
    } catch (error) {
      const megabytes = Math.ceil((2 * layers * elements * (type === 'float16' ? 2 : 4)) / 1e6)
      throw new IsochroneError(
        'engine_unavailable',
        `${megabytes} MB for the KV cache of ${rows} slots with ${capacity} tokens each are too ` +
          'much for this machine. Ask for fewer slots or a shorter context.',
        { detail: { rows, capacity, megabytes }, cause: error },
      )
    }
  }

  #slotAt(row: number): number {
    return this.#slotOfRow[row] ?? -1
  }

  #swap(a: number, b: number): void {
    const { keyValueHeads, headSize } = this.#options.architecture
    const headStride = this.#capacity * headSize
    const rowStride = keyValueHeads * headStride
    const heldA = this.#held[a] ?? 0
    const heldB = this.#held[b] ?? 0
    const length = Math.max(heldA, heldB) * headSize
    for (const buffer of this.#buffers) {
      for (let head = 0; head < keyValueHeads; head += 1) {
        const atA = a * rowStride + head * headStride
        const atB = b * rowStride + head * headStride
        const kept = buffer.slice(atA, atA + length)
        buffer.copyWithin(atA, atB, atB + length)
        buffer.set(kept, atB)
      }
    }
    const slotA = this.#slotAt(a)
    const slotB = this.#slotAt(b)
    this.#slotOfRow[a] = slotB
    this.#slotOfRow[b] = slotA
    this.#rowOfSlot[slotA] = b
    this.#rowOfSlot[slotB] = a
    this.#held[a] = heldB
    this.#held[b] = heldA
  }
}
