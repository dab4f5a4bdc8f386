/**
 * Whether a client is still there, told to the attempt that runs for it, or to both of them. An
 * `AbortSignal` would say the same, at the cost of an event target and a listener for each request.
 */
import type { IsochroneError } from '../../protocol/index.ts'

/** What runs for the client. */
export interface Interruptible {
  interrupt(reason: IsochroneError): void
}

export class Departure {
  #reason: IsochroneError | undefined
  #attempt: Interruptible | undefined
  /** A second one for the same request. */
  #beside: Interruptible | undefined

  /** Why the client counts as gone; undefined: it is there. */
  get reason(): IsochroneError | undefined {
    return this.#reason
  }

  /** The first reason counts. */
  depart(reason: IsochroneError): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#attempt?.interrupt(reason)
    this.#beside?.interrupt(reason)
  }

  /** Interrupts it when the client leaves, at once where it left before. */
  watch(attempt: Interruptible): void {
    if (this.#attempt === undefined) this.#attempt = attempt
    else this.#beside = attempt
    if (this.#reason !== undefined) attempt.interrupt(this.#reason)
  }

  /** Nothing is done any more with an attempt that ended. */
  unwatch(attempt: Interruptible): void {
    if (this.#beside === attempt) this.#beside = undefined
    if (this.#attempt !== attempt) return
    this.#attempt = this.#beside
    this.#beside = undefined
  }
}
