/**
 * One request in the scheduler: its answers, and the bounded queue through which its reader gets
 * events. A reader that falls behind parks the request's slots instead of holding up the others.
 */
import { BoundedQueue, type Clock, type Timer } from '../../base/index.ts'
import { type GenerationEvent, IsochroneError } from '../../protocol/index.ts'
import type { Answer } from './answer.ts'

export interface JobOptions {
  /** A reader this many events behind is not written for any further. */
  readonly eventsMax: number
  /** A reader that takes nothing for this long loses its slots. */
  readonly stalledMs: number
  readonly clock: Clock
  /** Called when the scheduler may have something to do again. */
  readonly wake: () => void
}

/** Events of one step: what was taken over, a delta, a finish, the usage. */
const eventsPerStepMax = 4

export class Job {
  readonly answers: readonly Answer[]
  readonly promptTokens: number
  readonly #options: JobOptions
  readonly #queue: BoundedQueue<GenerationEvent>
  #unfinished: number
  #closed = false
  #stallTimer: Timer | null = null

  constructor(answers: readonly Answer[], promptTokens: number, options: JobOptions) {
    this.answers = answers
    this.promptTokens = promptTokens
    this.#options = options
    this.#unfinished = answers.length
    this.#queue = new BoundedQueue(options.eventsMax + answers.length * eventsPerStepMax)
  }

  /** Nothing more is written: finished, failed, or the reader left. */
  get closed(): boolean {
    return this.#closed
  }

  /** Whether the reader is too far behind; if so, its time limit runs. */
  checkParked(): boolean {
    if (this.#queue.length < this.#options.eventsMax) return false
    this.#stallTimer ??= this.#options.clock.after(this.#options.stalledMs, () => {
      this.fail(
        new IsochroneError(
          'cancelled',
          `The reader took nothing for ${this.#options.stalledMs / 1000} s; its generation ` +
            `was stopped.`,
        ),
      )
      this.#options.wake()
    })
    return true
  }

  write(events: readonly GenerationEvent[]): void {
    for (const event of events) {
      this.#queue.tryPush(event)
      if (event.type === 'finish') this.#unfinished -= 1
    }
    if (this.#unfinished > 0) return
    const completionTokens = this.answers.reduce((sum, answer) => sum + answer.completionTokens, 0)
    this.#queue.tryPush({
      type: 'usage',
      promptTokens: this.promptTokens,
      completionTokens,
      cachedTokens: 0,
    })
    this.#close()
    this.#queue.end()
  }

  fail(error: IsochroneError): void {
    this.#close()
    this.#queue.fail(error)
  }

  /** The reader's side; leaving the loop early stops the work. */
  async *events(): AsyncGenerator<readonly GenerationEvent[], void, undefined> {
    try {
      for (;;) {
        const batch = await this.#queue.takeBatch()
        if (batch === undefined) return
        if (this.#stallTimer !== null) this.#resume()
        yield batch
      }
    } finally {
      if (!this.#closed) {
        this.#close()
        this.#options.wake()
      }
    }
  }

  #resume(): void {
    this.#cancelTimer()
    this.#options.wake()
  }

  #close(): void {
    this.#closed = true
    this.#cancelTimer()
  }

  #cancelTimer(): void {
    this.#stallTimer?.cancel()
    this.#stallTimer = null
  }
}
