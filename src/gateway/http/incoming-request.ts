/**
 * Node's request, whose body goes to its reader in the moment that Node's parser has it. As events
 * of a stream the same bytes come a turn later, through a dozen functions that nobody else needs.
 */
import { IncomingMessage } from './node-http.ts'

export interface BodyReader {
  take(part: Buffer): void
  end(): void
  /** The connection is gone before the body was whole. */
  gone(cause: Error | null): void
}

export class IncomingRequest extends IncomingMessage {
  #reader: BodyReader | undefined

  /** To be called in the turn of its arrival, since what came before stays in the stream. */
  readTo(reader: BodyReader): void {
    this.#reader = reader
  }

  /** What comes from now on is the stream's again. */
  leave(): void {
    this.#reader = undefined
  }

  override push(part: Buffer | null): boolean {
    const reader = this.#reader
    if (reader === undefined) return super.push(part)
    if (part !== null) {
      reader.take(part)
      return true
    }
    this.#reader = undefined
    reader.end()
    return super.push(null)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const reader = this.#reader
    this.#reader = undefined
    reader?.gone(error)
    super._destroy(error, callback)
  }
}
