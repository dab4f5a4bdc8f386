/**
 * The reading half of a stream: messages gather until their one reader takes them as a batch.
 *
 * Written for little cost per message: no promise where something has already gathered.
 */
import { assert } from '../base/index.ts'
import type { IsochroneError } from '../protocol/index.ts'

export interface InboxHooks {
  /** The reader has begun. */
  readonly onStart?: () => void
  /** The reader took this many bytes: there is room again. */
  readonly onTaken: (bytes: number) => void
  /** The reader left before the end. */
  readonly onAbandoned: () => void
}

type Batch = readonly Uint8Array[]

interface Waiting {
  readonly resolve: (result: IteratorResult<Batch>) => void
  readonly reject: (error: unknown) => void
}

const finished: IteratorResult<Batch> = { done: true, value: undefined }

export class Inbox implements AsyncIterable<Batch>, AsyncIterator<Batch> {
  readonly #hooks: InboxHooks
  #batch: Uint8Array[] = []
  #bytes = 0
  #ended = false
  #error: IsochroneError | undefined
  #waiting: Waiting | undefined
  #started = false

  constructor(hooks: InboxHooks) {
    this.#hooks = hooks
  }

  /** Bytes that nobody has taken yet. */
  get bytes(): number {
    return this.#bytes
  }

  /** Messages that nobody has taken yet. */
  get length(): number {
    return this.#batch.length
  }

  /** Whether what comes now is taken at once: its reader waits, or is about to begin. */
  get isPrompt(): boolean {
    return this.#waiting !== undefined || (!this.#started && this.#batch.length === 0)
  }

  /** Whether nothing more comes; what has gathered may still be unread. */
  get over(): boolean {
    return this.#ended || this.#error !== undefined
  }

  /** Adds a message; `flush` wakes the reader once all that came together is in. */
  push(message: Uint8Array): void {
    if (this.#ended || this.#error !== undefined) return
    this.#batch.push(message)
    this.#bytes += message.length
  }

  flush(): void {
    const waiting = this.#waiting
    if (waiting === undefined || this.#batch.length === 0) return
    this.#waiting = undefined
    waiting.resolve(this.#take())
  }

  /** The reader gets what has gathered, then the end. */
  end(): void {
    if (this.#ended || this.#error !== undefined) return
    this.#ended = true
    this.flush()
    this.#waiting?.resolve(finished)
    this.#waiting = undefined
  }

  /** The reader gets what has gathered, then the error; after `drop`, the error at once. */
  fail(error: IsochroneError, drop = false): void {
    if (this.#ended || this.#error !== undefined) return
    if (drop) this.#batch = []
    this.#error = error
    this.flush()
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  [Symbol.asyncIterator](): this {
    if (!this.#started) {
      this.#started = true
      this.#hooks.onStart?.()
    }
    return this
  }

  next(): Promise<IteratorResult<Batch>> {
    if (this.#batch.length > 0) return Promise.resolve(this.#take())
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#ended) return Promise.resolve(finished)
    assert(this.#waiting === undefined, 'messages of a stream have one reader')
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  /** Called by `break` and by a throw in a `for await`. */
  return(): Promise<IteratorResult<Batch>> {
    const open = !this.#ended && this.#error === undefined
    if (open || this.#batch.length > 0) {
      this.#batch = []
      this.#ended = true
      this.#hooks.onAbandoned()
    }
    return Promise.resolve(finished)
  }

  #take(): IteratorResult<Batch> {
    const value = this.#batch
    const bytes = this.#bytes
    this.#batch = []
    this.#bytes = 0
    this.#hooks.onTaken(bytes)
    return { done: false, value }
  }
}
