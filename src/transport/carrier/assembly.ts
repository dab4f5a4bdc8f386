/** A message that comes in pieces, within a budget that all calls of a connection share. */
import { IsochroneError } from '../../protocol/index.ts'
import { checkMessageSize } from '../metadata.ts'
import { broken } from './frames.ts'
import { costOf } from './limits.ts'

/** Memory of unfinished messages on one connection, all its calls together. */
export interface AssemblyBudget {
  bytes: number
  readonly bytesMax: number
}

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
    if (this.#budget.bytes + cost > this.#budget.bytesMax) {
      const text = `unfinished messages on one connection are over ${this.#budget.bytesMax} bytes`
      throw new IsochroneError('message_too_large', text)
    }
    this.#pieces ??= []
    this.#pieces.push(copy)
    this.#bytes += bytes.length
    this.#cost += cost
    this.#budget.bytes += cost
    if (!isLast) return undefined
    const message = Buffer.concat(this.#pieces)
    this.release()
    return message
  }

  /** Gives back what the pieces took of the budget. */
  release(): void {
    this.#budget.bytes -= this.#cost
    this.#pieces = undefined
    this.#bytes = 0
    this.#cost = 0
  }
}
