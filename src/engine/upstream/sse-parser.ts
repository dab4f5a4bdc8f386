/**
 * Server-sent events as OpenAI-compatible servers write them: lines of bytes in, the payload of
 * each `data:` line out. Bytes are decoded once per read, up to the last line end, so no
 * character is ever cut.
 */
import { IsochroneError } from '../../protocol/index.ts'
import { GatheredBytes } from './gathered-bytes.ts'

/** Longer than any chunk with 20 alternatives or a whole tool call in it. */
export const sseLineBytesMax = 4 * 1024 * 1024

const newline = 0x0a

export class SseParser {
  /** The bytes of a line whose end has not come yet. */
  readonly #line = new GatheredBytes()
  readonly #onData: (payload: string) => void

  /** @param onData called for each `data:` line, and for the `error:` lines of older llama.cpp */
  constructor(onData: (payload: string) => void) {
    this.#onData = onData
  }

  /**
   * Errors: `upstream_failed` for an overlong line.
   * @param chunk is somebody else's after the call
   */
  push(chunk: Buffer): void {
    const end = chunk.lastIndexOf(newline)
    if (end < 0) {
      this.#keep(chunk)
      return
    }
    const text =
      this.#line.length === 0
        ? chunk.toString('utf8', 0, end)
        : this.#line.take(chunk.subarray(0, end)).toString('utf8')
    if (end + 1 < chunk.length) this.#keep(chunk.subarray(end + 1))
    this.#lines(text)
  }

  /** The body ended: a last line may lack its line end. */
  end(): void {
    this.#lines(this.#line.take().toString('utf8'))
  }

  #keep(bytes: Buffer): void {
    this.#line.add(bytes)
    if (this.#line.length > sseLineBytesMax) {
      throw new IsochroneError(
        'upstream_failed',
        `The server sent a line of more than ${sseLineBytesMax} bytes.`,
      )
    }
  }

  #lines(text: string): void {
    let from = 0
    while (from < text.length) {
      let to = text.indexOf('\n', from)
      if (to < 0) to = text.length
      if (text.startsWith('data:', from)) this.#onData(text.slice(from + 5, to).trim())
      else if (text.startsWith('error:', from)) {
        this.#onData(`{"error":${text.slice(from + 6, to).trim() || 'null'}}`)
      }
      from = to + 1
    }
  }
}
