/**
 * gRPC's length-prefixed messages: a flag byte, four bytes of length (big-endian), the message.
 *
 * Hostile bytes are expected: a length over the limit is refused before anything is stored, nothing
 * is allocated on the word of a prefix alone, and the memory that unfinished messages take, in
 * however small pieces they come, is bounded for a whole connection. Every message is handed out in
 * memory of its own that starts at a multiple of 8 bytes, so that the tensors inside can be read in
 * place.
 */
import { IsochroneError } from '../../protocol/index.ts'
import { type AssemblyBudget, giveBudget, takeBudget } from '../assembly-budget.ts'
import { checkMessageSize } from '../metadata.ts'

export const prefixBytes = 5

/** Of an unfinished message, once it does not come in one piece: most messages fit. */
const firstStorageBytes = 1024
/** A large message is copied a third of a time more than once. */
const storageGrowth = 4

/** Prefix and message in one piece of memory: the caller may reuse the message's at once. */
export function frameMessage(message: Uint8Array): Buffer {
  const { length } = message
  checkMessageSize(length)
  const frame = Buffer.allocUnsafe(prefixBytes + length)
  frame[0] = 0
  frame.writeUInt32BE(length, 1)
  frame.set(message, prefixBytes)
  return frame
}

export class MessageParser {
  readonly #budget: AssemblyBudget
  readonly #prefix = Buffer.alloc(prefixBytes)
  #prefixLength = 0
  /** Length of the message that is arriving; undefined while its prefix is. */
  #length: number | undefined
  /**
   * Holds what has come of an unfinished message. The pieces themselves are not kept: each of one
   * byte would hold an object, and with it the memory of all that was received together with it.
   */
  #storage = noStorage
  #stored = 0

  constructor(budget: AssemblyBudget) {
    this.#budget = budget
  }

  /** Whether bytes end in the middle of a message. */
  get unfinished(): boolean {
    return this.#prefixLength > 0 || this.#length !== undefined
  }

  /**
   * Hands each whole message to `take`. Throws what is wrong with the bytes; then it must not be
   * fed again.
   */
  feed(chunk: Uint8Array, take: (message: Uint8Array) => void): void {
    let at = 0
    while (at < chunk.length || this.#length === 0) {
      if (this.#length === undefined) {
        at = this.#feedPrefix(chunk, at)
        continue
      }
      const missing = this.#length - this.#stored
      const end = Math.min(chunk.length, at + missing)
      if (end - at < missing) {
        this.#store(chunk.subarray(at, end))
        return
      }
      take(this.#finish(chunk.subarray(at, end)))
      at = end
    }
  }

  /** Gives back what unfinished bytes took of the budget. */
  release(): void {
    giveBudget(this.#budget, this.#storage.length)
    this.#storage = noStorage
    this.#stored = 0
  }

  #feedPrefix(chunk: Uint8Array, at: number): number {
    const count = Math.min(prefixBytes - this.#prefixLength, chunk.length - at)
    for (let i = 0; i < count; i += 1) {
      this.#prefix[this.#prefixLength + i] = chunk[at + i] ?? 0
    }
    this.#prefixLength += count
    if (this.#prefixLength === prefixBytes) {
      checkFlag(this.#prefix[0] ?? 0)
      const length = this.#prefix.readUInt32BE(1)
      checkMessageSize(length)
      this.#length = length
      this.#prefixLength = 0
    }
    return at + count
  }

  #store(part: Uint8Array): void {
    if (part.length === 0) return
    const stored = this.#stored + part.length
    if (stored > this.#storage.length) this.#grow(stored)
    this.#storage.set(part, this.#stored)
    this.#stored = stored
  }

  #grow(bytesMin: number): void {
    const wanted = Math.max(bytesMin, firstStorageBytes, storageGrowth * this.#storage.length)
    const storage = Buffer.allocUnsafeSlow(Math.min(wanted, this.#length ?? 0))
    const more = storage.length - this.#storage.length
    takeBudget(this.#budget, more)
    storage.set(this.#storage.subarray(0, this.#stored))
    this.#storage = storage
  }

  #finish(last: Uint8Array): Uint8Array {
    const length = this.#length ?? 0
    const isWhole = this.#storage.length === length
    // Not of Node's pool: one message that stays unread would keep 64 KiB, which no budget counts.
    const message = isWhole ? this.#storage : Buffer.allocUnsafeSlow(length)
    if (message !== this.#storage) message.set(this.#storage.subarray(0, this.#stored))
    message.set(last, this.#stored)
    this.release()
    this.#length = undefined
    return message
  }
}

const noStorage = Buffer.alloc(0)

function checkFlag(flag: number): void {
  if (flag === 0) return
  if (flag === 1) {
    throw new IsochroneError(
      'method_not_found',
      'compressed messages are not taken here: send them with grpc-encoding identity',
    )
  }
  throw new IsochroneError('malformed_message', `a message begins with ${flag} instead of 0 or 1`)
}
