/**
 * One generation on an upstream server, streamed or whole. Works inside the connection's callbacks:
 * all events of one read go to the reader as one batch, with no promise in between.
 */
import {
  asIsochroneError,
  type GenerationEvent,
  type GenerationRequest,
  IsochroneError,
} from '../../protocol/index.ts'
import { ChunkReader } from './chunk-reader.ts'
import { EventChannel } from './event-channel.ts'
import { GatheredBytes } from './gathered-bytes.ts'
import type { Connection, ResponseHandler } from './http/connection.ts'
import type { ResponseHead } from './http/response-parser.ts'
import { parseJson } from './json-value.ts'
import type { Server } from './server.ts'
import { SseParser } from './sse-parser.ts'
import { errorFromConnection, errorFromResponse } from './upstream-errors.ts'

/** A reader this far behind pauses the socket. */
const eventsGatheredMax = 1024
/** A refusal's text; the rest of it is not read. */
const refusalBytesMax = 64 * 1024
/** A whole answer from a server that does not stream. */
const answerBytesMax = 32 * 1024 * 1024

/** At a node the id is a gateway's word: a line end in it would begin fields, or a request. */
const fieldSafe = /^[\x21-\x7e]+$/

type Mode = 'stream' | 'answer' | 'refusal'

export interface StreamingCall {
  readonly request: GenerationRequest
  readonly path: string
  readonly body: string
  /** undefined: whoever reads leaves its channel, and nothing else ends the call. */
  readonly signal: AbortSignal | undefined
  /** Called once, when the call no longer occupies the server. */
  readonly onEnd: () => void
}

export function startStreamingCall(server: Server, call: StreamingCall): EventChannel {
  const handler = new StreamHandler(server, call)
  handler.start()
  return handler.channel
}

class StreamHandler implements ResponseHandler {
  readonly channel: EventChannel
  readonly #server: Server
  readonly #call: StreamingCall
  readonly #chunks: ChunkReader
  #sse: SseParser | undefined
  #onAbort: (() => void) | undefined
  #connection: Connection | null = null
  #mode: Mode = 'stream'
  #status = 0
  #retryAfter: string | null = null
  #body: GatheredBytes | undefined
  /** The end of the body, until `onEnd`: in memory that the next read overwrites. */
  #lastPart: Buffer | undefined
  #batch: GenerationEvent[] = []
  #sawDone = false
  #ended = false

  constructor(server: Server, call: StreamingCall) {
    this.#server = server
    this.#call = call
    this.#chunks = new ChunkReader(call.request, server.title)
    this.channel = new EventChannel({
      onDrained: () => this.#resume(),
      onLeft: () => this.#stop(),
    })
    if (call.signal !== undefined) this.#listenTo(call.signal)
  }

  #listenTo(signal: AbortSignal): void {
    const onAbort = () => {
      const error = new IsochroneError('cancelled', 'The caller cancelled the generation.')
      this.fail(error)
    }
    this.#onAbort = onAbort
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }

  start(): void {
    if (this.#ended) return
    const { request, path, body } = this.#call
    const accepted = request.whole ? 'application/json' : 'text/event-stream'
    const id = fieldSafe.test(request.requestId) ? `x-request-id: ${request.requestId}\r\n` : ''
    try {
      this.#connection = this.#server.pool.send(
        {
          method: 'POST',
          path: `${this.#server.basePath}${path}`,
          fields: `${this.#server.fields}accept: ${accepted}\r\n${id}`,
          body,
        },
        this,
      )
    } catch (error) {
      this.fail(errorFromConnection(error, this.#server.title))
    }
  }

  /** Ends the call with an error; the connection is given up. */
  fail(error: IsochroneError): void {
    this.channel.fail(error)
    this.#stop()
  }

  onHead({ status, contentType, retryAfter }: ResponseHead): void {
    this.#status = status
    this.#retryAfter = retryAfter ?? null
    if (status !== 200) this.#mode = 'refusal'
    else if (contentType?.startsWith('application/json')) this.#mode = 'answer'
    else this.#sse = new SseParser((payload) => this.#onPayload(payload))
  }

  onData(chunk: Buffer, isLast: boolean): void {
    if (this.#ended) return
    if (this.#mode !== 'stream') {
      this.#collect(chunk, isLast)
      return
    }
    try {
      this.#sse?.push(chunk)
      this.#deliver()
    } catch (error) {
      this.#broken(error)
      return
    }
    if (this.channel.length > eventsGatheredMax) this.#connection?.pause()
  }

  onEnd(): void {
    this.#connection = null
    if (this.#ended) return
    if (this.#mode === 'refusal') {
      this.#refuse()
      return
    }
    try {
      if (this.#mode === 'answer') {
        const text = this.#takeBody().toString('utf8')
        this.#chunks.readValue(parseJson(text), this.#batch)
      } else this.#sse?.end()
      if (!this.#ended) this.#finish()
    } catch (error) {
      this.#broken(error)
    }
  }

  onError(error: Error): void {
    this.#connection = null
    if (this.#ended) return
    this.fail(errorFromConnection(error, this.#server.title))
  }

  #onPayload(payload: string): void {
    if (this.#sawDone) return
    if (payload === '[DONE]') {
      this.#sawDone = true
      this.#finish()
    } else if (payload !== '') this.#chunks.read(payload, this.#batch)
  }

  #deliver(): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.channel.push(batch)
  }

  /** The server says, by `[DONE]` or by ending its response, that this was all. */
  #finish(): void {
    if (!this.#chunks.complete) {
      throw new IsochroneError(
        'upstream_failed',
        `${this.#server.title} ended the stream before the answer was complete (no finish_reason).`,
      )
    }
    this.#batch.push(this.#chunks.usage())
    this.#deliver()
    this.channel.end()
    this.#leave()
    // Some servers say that this was all, and never end the response.
    if (this.#connection !== null) this.#server.pool.leave(this.#connection)
    this.#connection = null
  }

  #collect(chunk: Buffer, isLast: boolean): void {
    this.#body ??= new GatheredBytes()
    const length = this.#body.length + chunk.length
    // Most answers are one part: it is read where it lies.
    if (isLast) this.#lastPart = chunk
    else this.#body.add(chunk)
    if (this.#mode === 'refusal' && length > refusalBytesMax) this.#refuse()
    else if (length > answerBytesMax) {
      this.#broken(new Error(`the answer has more than ${answerBytesMax} bytes`))
    }
  }

  #takeBody(): Buffer {
    const body = (this.#body ?? new GatheredBytes()).take(this.#lastPart)
    this.#lastPart = undefined
    return body
  }

  #refuse(): void {
    const body = this.#takeBody().toString('utf8', 0, refusalBytesMax)
    this.fail(
      errorFromResponse({
        status: this.#status,
        body,
        retryAfter: this.#retryAfter,
        nowMs: this.#server.clock.now(),
        server: this.#server.title,
      }),
    )
  }

  /** What came before the fault is still delivered. */
  #broken(error: unknown): void {
    this.#deliver()
    this.fail(asIsochroneError(error, 'upstream_failed'))
  }

  #resume(): void {
    if (this.#connection?.paused) this.#connection.resume()
  }

  /** Gives the connection up; a response that has already ended has none. */
  #stop(): void {
    this.#leave()
    this.#connection?.destroy()
    this.#connection = null
  }

  #leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#body = undefined
    const { signal } = this.#call
    if (this.#onAbort !== undefined) signal?.removeEventListener('abort', this.#onAbort)
    this.#call.onEnd()
  }
}
