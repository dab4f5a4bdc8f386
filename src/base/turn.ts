/**
 * The end of a turn of the event loop, as an argument: what many requests ask for within one turn
 * can then be done for all of them at once.
 *
 * It has two parts. What is made `beforeSending` (a signature, say), and what whoever waited for
 * it says next, is still in time for what goes out at `sending`.
 */
export interface Turn {
  /** Calls `action` once, when this turn ends. */
  beforeSending(action: () => void): void
  /** Calls `action` once, after all of that, and after the promise callbacks that came of it. */
  sending(action: () => void): void
}

/** The machine's: Node.js runs immediates in their order, each with its promise callbacks. */
class SystemTurn implements Turn {
  #before: (() => void)[] = []
  #sending: (() => void)[] = []
  #isBeforeDue = false
  /** Ends of turns that were asked for and have not come to their second part. */
  #sendingsDue = 0

  beforeSending(action: () => void): void {
    this.#before.push(action)
    if (!this.#isBeforeDue) this.#arm()
  }

  sending(action: () => void): void {
    this.#sending.push(action)
    if (this.#sendingsDue === 0) this.#arm()
  }

  /** Always both parts: the first has to be in line before the second, whoever asks first. */
  #arm(): void {
    this.#isBeforeDue = true
    this.#sendingsDue += 1
    setImmediate(this.#runBefore)
    setImmediate(this.#runSending)
  }

  readonly #runBefore = (): void => {
    this.#isBeforeDue = false
    const actions = this.#before
    if (actions.length === 0) return
    this.#before = []
    for (const action of actions) action()
  }

  readonly #runSending = (): void => {
    this.#sendingsDue -= 1
    const actions = this.#sending
    if (actions.length === 0) return
    this.#sending = []
    for (const action of actions) action()
  }
}

export const systemTurn: Turn = new SystemTurn()

/** A turn that ends only when told to. */
export class ManualTurn implements Turn {
  #before: (() => void)[] = []
  #sending: (() => void)[] = []

  beforeSending(action: () => void): void {
    this.#before.push(action)
  }

  sending(action: () => void): void {
    this.#sending.push(action)
  }

  /** Resolves when all that is due was done, and the promise callbacks that came of it. */
  async end(): Promise<void> {
    for (const action of this.#before.splice(0)) action()
    await new Promise((resolve) => setImmediate(resolve))
    for (const action of this.#sending.splice(0)) action()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
