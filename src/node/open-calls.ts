/**
 * The calls that peers have open here, each until its last byte was handed on: a node that drains
 * must not close a connection under an answer that is made but not yet sent.
 */
export class OpenCalls {
  #open = 0
  #onNone: (() => void)[] = []

  /** +1 when a call comes, −1 when it has been answered or is over. */
  count(change: 1 | -1): void {
    this.#open += change
    if (this.#open > 0) return
    const waiting = this.#onNone
    this.#onNone = []
    for (const resolve of waiting) resolve()
  }

  /** Resolves when there is none. */
  none(): Promise<void> {
    if (this.#open === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onNone.push(resolve))
  }
}
