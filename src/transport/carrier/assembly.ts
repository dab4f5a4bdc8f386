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
  add(bytes: Uint8Array, { isLast, isKept }: Part): Uint8Array | undefined {
    if (this.#pieces === undefined && isLast) return join([bytes], isKept)
    if (bytes.length === 0) throw broken('an empty piece of a message')
    checkMessageSize(this.#bytes + bytes.length)
    const cost = costOf(bytes.length)
    takeBudget(this.#budget, cost)
    this.#pieces ??= []
    this.#bytes += bytes.length
    this.#cost += cost
    if (!isLast) {
      // Pieces stay for as long as the peer likes.
      this.#pieces.push(join([bytes], true))
      return undefined
    }
    const message = join([...this.#pieces, bytes], isKept)
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

interface Part {
  readonly isLast: boolean
  /** The message may wait long for its reader. */
  readonly isKept: boolean
}

/**
 * A copy. Memory from Node's pool is cheaper, but a byte that stays there keeps tens of kilobytes
 * from being collected, which no budget counts.
 */
function join(parts: readonly Uint8Array[], isKept: boolean): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const copy = isKept ? Buffer.allocUnsafeSlow(length) : Buffer.allocUnsafe(length)
  let at = 0
  for (const part of parts) {
    copy.set(part, at)
    at += part.length
  }
  return copy
}
