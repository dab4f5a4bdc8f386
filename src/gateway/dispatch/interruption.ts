/**
 * Ends one attempt from outside: the client left, a time limit passed.
 *
 * The worker is told through the signal, where it asks for one; whoever waits for it is released at
 * once, also when the worker does not listen.
 */
export class Interruption {
  /** Made when it is first asked for: its target of events costs as much as a promise or two. */
  #controller: AbortController | undefined
  #isOver = false
  #reason: unknown
  #reject: ((error: unknown) => void) | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isOver) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  interrupt(reason: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#reason = reason
    this.#controller?.abort(reason)
    this.#reject?.(reason)
  }

  /**
   * Waits for one thing at a time, and gives what `taker` makes of it; rejects with the reason of
   * an interruption.
   */
  wait<T, R>(promise: Promise<T>, taker: Taker<T, R>): Promise<R> {
    if (this.#isOver) {
      promise.catch(() => {})
      return Promise.reject(this.#reason)
    }
    return new Promise<R>((resolve, reject) => {
      this.#reject = reject
      promise.then((value) => {
        try {
          resolve(taker.take(value))
        } catch (error) {
          reject(error)
        }
      }, reject)
    })
  }
}

export interface Taker<T, R> {
  take(value: T): R
}
