/**
 * What a machine says within one step: messages to send, and what it has noticed.
 *
 * It is empty between steps, so one serves all machines of a kind in a process. A machine that kept
 * what it said until its next step would keep it for a second: with thousands of them in a process,
 * most of what is said would be old when it is collected, and that is when collecting is dear.
 */
import { nothing } from './nothing.ts'

export interface Outputs<TSend, TEvent> {
  readonly sends: readonly TSend[]
  readonly events: readonly TEvent[]
  readonly wakeAtMs: number
}

export class Outbox<TSend, TEvent> {
  #sends: TSend[] | undefined
  #events: TEvent[] | undefined

  /** As a step begins: what one that failed has left is nobody's. */
  clear(): void {
    this.#sends = undefined
    this.#events = undefined
  }

  send(one: TSend): void {
    // Mostly it is one: an array that is grown has room for many.
    if (this.#sends === undefined) this.#sends = [one]
    else this.#sends.push(one)
  }

  note(event: TEvent): void {
    if (this.#events === undefined) this.#events = [event]
    else this.#events.push(event)
  }

  sendAll(all: readonly TSend[]): void {
    for (const one of all) this.send(one)
  }

  /** As a step ends. */
  take(wakeAtMs: number): Outputs<TSend, TEvent> {
    const sends = this.#sends ?? nothing
    const events = this.#events ?? nothing
    this.clear()
    return { sends, events, wakeAtMs }
  }
}
