/**
 * Whether a client is still there, told to the one attempt that runs for it. An `AbortSignal` would
 * say the same, at the cost of an event target and a listener for every request.
 */
import type { IsochroneError } from '../../protocol/index.ts'

/** What runs for the client. */
export interface Interruptible {
  interrupt(reason: IsochroneError): void
}

export class Departure {
  #reason: IsochroneError | undefined
  #attempt: Interruptible | undefined

  /** Why the client counts as gone; undefined: it is there. */
  get reason(): IsochroneError | undefined {
    return this.#reason
  }

  /** The first reason counts. */
  depart(reason: IsochroneError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#attempt?.interrupt(reason)
  }

  /** Interrupts it when the client leaves, at once where it left before. */
  watch(attempt: Interruptible): void {
    this.#attempt = attempt
    if (this.#reason !== undefined) attempt.interrupt(this.#reason)
  }

  /** Nothing is done any more with an attempt that ended. */
  unwatch(attempt: Interruptible): void {
    if (this.#attempt === attempt) this.#attempt = undefined
  }
}
