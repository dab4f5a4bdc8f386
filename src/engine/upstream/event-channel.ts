/**
 * Batches of events from a network callback to one reader, without a promise per event: the
 * reader gets everything that has gathered since it last asked.
 */
import type { GenerationEvent } from '../../protocol/index.ts'

type Batch = readonly GenerationEvent[]
type Result = IteratorResult<Batch, undefined>

interface Waiting {
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

export interface ChannelEvents {
  /** The reader took everything: more may be sent. */
  onDrained(): void
  /** The reader left before the end. */
  onLeft(): void
}

const end: Result = { value: undefined, done: true }

export class EventChannel implements AsyncIterableIterator<Batch, undefined, undefined> {
  readonly #events: ChannelEvents
  #gathered: GenerationEvent[] = []
  #waiting: Waiting | null = null
  #closed = false
  #failure: { readonly error: unknown } | null = null

  constructor(events: ChannelEvents) {
    this.#events = events
  }

  /** Events that the reader has not taken. */
  get length(): number {
    return this.#gathered.length
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Takes the array over: the caller does not touch it again. */
  push(batch: GenerationEvent[]): void {
    if (this.#closed || batch.length === 0) return
    if (this.#waiting !== null) {
      const { resolve } = this.#waiting
      this.#waiting = null
      resolve({ value: batch, done: false })
    } else if (this.#gathered.length === 0) this.#gathered = batch
    else for (const event of batch) this.#gathered.push(event)
  }

  end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting?.resolve(end)
    this.#waiting = null
  }

  /** The reader gets what has gathered, then the error, once. */
  fail(error: unknown): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#waiting === null) this.#failure = { error }
    else this.#waiting.reject(error)
    this.#waiting = null
  }

  next(): Promise<Result> {
    if (this.#gathered.length > 0) {
      const value = this.#gathered
      this.#gathered = []
      this.#events.onDrained()
      return Promise.resolve({ value, done: false })
    }
    if (this.#failure !== null) {
      const { error } = this.#failure
      this.#failure = null
      return Promise.reject(error)
    }
    if (this.#closed) return Promise.resolve(end)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  return(): Promise<Result> {
    if (!this.#closed) {
      this.end()
      this.#events.onLeft()
    }
    this.#gathered = []
    this.#failure = null
    return Promise.resolve(end)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
