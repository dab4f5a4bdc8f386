/**
 * Ends one attempt from outside: the client left, a time limit passed.
 *
 * The worker is told through the signal; whoever waits for it is released at once, also when the
 * worker does not listen.
 */
export class Interruption {
  readonly #controller = new AbortController()
  #reject: ((error: unknown) => void) | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  interrupt(reason: unknown): void {
    if (this.#controller.signal.aborted) return
    this.#controller.abort(reason)
    this.#reject?.(reason)
  }

  /**
   * Waits for one thing at a time, and gives what `taker` makes of it; rejects with the reason of
   * an interruption.
   */
  wait<T, R>(promise: Promise<T>, taker: Taker<T, R>): Promise<R> {
    if (this.#controller.signal.aborted) {
      promise.catch(() => {})
      return Promise.reject(this.#controller.signal.reason)
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
