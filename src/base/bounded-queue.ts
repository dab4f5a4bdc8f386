/**
 * A first-in-first-out queue between one producer and one consumer, with back-pressure.
 *
 * The consumer takes everything that has gathered as one batch, so that a slow consumer pays one
 * wake-up for many items. The producer's `push` waits while the queue is full.
 */
import { assert } from './assert.ts'

type Closing = { readonly error: unknown } | 'end'

export class BoundedQueue<T> {
  readonly #lengthMax: number
  #items: T[] = []
  #closing: Closing | undefined
  #wakeConsumer: (() => void) | undefined
  #wakeProducers: (() => void)[] = []

  constructor(lengthMax: number) {
    assert(lengthMax >= 1, 'a bounded queue holds at least one item')
    this.#lengthMax = lengthMax
  }

  get length(): number {
    return this.#items.length
  }

  /** Adds an item; false when the queue is full or closed, and then the item was not taken. */
  tryPush(item: T): boolean {
    if (this.#closing !== undefined || this.#items.length >= this.#lengthMax) return false
    this.#items.push(item)
    this.#wakeConsumer?.()
    return true
  }

  /** Adds an item once there is room, then resolves. Items after the end are dropped. */
  async push(item: T): Promise<void> {
    while (this.#closing === undefined && this.#items.length >= this.#lengthMax) {
      await new Promise<void>((resolve) => this.#wakeProducers.push(resolve))
    }
    if (this.#closing !== undefined) return
    this.#items.push(item)
    this.#wakeConsumer?.()
  }

  /** No more items: the consumer gets what is there, then the end. */
  end(): void {
    this.#close('end')
  }

  /** The consumer gets what is there, then the error. */
  fail(error: unknown): void {
    this.#close({ error })
  }

  #close(closing: Closing): void {
    if (this.#closing !== undefined) return
    this.#closing = closing
    this.#wakeConsumer?.()
    this.#releaseProducers()
  }

  #releaseProducers(): void {
    const waiting = this.#wakeProducers
    this.#wakeProducers = []
    for (const wake of waiting) wake()
  }

  /** Everything that has gathered, at least one item; undefined at the end; throws after `fail`. */
  async takeBatch(): Promise<readonly T[] | undefined> {
    while (this.#items.length === 0) {
      if (this.#closing === 'end') return undefined
      if (this.#closing !== undefined) throw this.#closing.error
      assert(this.#wakeConsumer === undefined, 'a bounded queue has one consumer')
      await new Promise<void>((resolve) => {
        this.#wakeConsumer = resolve
      })
      this.#wakeConsumer = undefined
    }
    const batch = this.#items
    this.#items = []
    this.#releaseProducers()
    return batch
  }

  /** Leaving the loop early ends the queue: producers do not wait for a consumer that is gone. */
  async *batches(): AsyncGenerator<readonly T[], void, undefined> {
    try {
      for (;;) {
        const batch = await this.takeBatch()
        if (batch === undefined) return
        yield batch
      }
    } finally {
      this.end()
      this.#items = []
    }
  }
}
