/** A message that comes in pieces, within a budget that all calls of a connection share. */
import { type AssemblyBudget, giveBudget, takeBudget } from '../assembly-budget.ts'
import { checkMessageSize } from '../metadata.ts'
import { broken } from './frames.ts'
import { costOf } from './limits.ts'

export class Assembly {
  readonly #budget: AssemblyBudget
  #pieces: Uint8Array[] | undefined
  #bytes = 0
  #cost = 0

  constructor(budget: AssemblyBudget) {
    this.#budget = budget
  }

  get unfinished(): boolean {
    return this.#pieces !== undefined
  }

  /**
   * The message once it is whole, in memory of its own that starts at a multiple of 8 bytes.
   * @throws IsochroneError `message_too_large`, `malformed_message`
   */
  add(bytes: Uint8Array, isLast: boolean): Uint8Array | undefined {
    const copy = Buffer.allocUnsafe(bytes.length)
    copy.set(bytes)
    if (this.#pieces === undefined && isLast) return copy
    if (bytes.length === 0) throw broken('an empty piece of a message')
    checkMessageSize(this.#bytes + bytes.length)
    const cost = costOf(bytes.length)
    takeBudget(this.#budget, cost)
    this.#pieces ??= []
    this.#pieces.push(copy)
    this.#bytes += bytes.length
    this.#cost += cost
    if (!isLast) return undefined
    const message = Buffer.concat(this.#pieces)
    this.release()
    return message
  }

  /** Gives back what the pieces took of the budget. */
  release(): void {
    if (this.#cost > 0) giveBudget(this.#budget, this.#cost)
    this.#pieces = undefined
    this.#bytes = 0
    this.#cost = 0
  }
}
