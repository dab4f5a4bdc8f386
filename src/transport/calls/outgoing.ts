/**
 * The caller's side of a call: deadline, cancellation, and errors from the trailers.
 */
import { type Clock, systemClock, type Timer } from '../../base/index.ts'
import { asIsochroneError, IsochroneError, shortId } from '../../protocol/index.ts'
import type { Connection, Metadata, Stream } from '../transport.ts'
import { deadlineMsMax, formatTimeout } from './deadline.ts'
import { trailersError } from './status.ts'

export interface CallOptions {
  /** From now. The peer learns it and both sides keep it. */
  readonly deadlineMs?: number
  readonly metadata?: Metadata
  readonly signal?: AbortSignal
  /** The machine's where none is given. */
  readonly clock?: Clock
}

export interface OutgoingCall {
  readonly stream: Stream
  /** Resolves when there is room for the next message. */
  send(message: Uint8Array): Promise<void>
  end(): Promise<void>
  /**
   * Batches of messages; ends after a good status, throws what the trailers or the transport say
   * otherwise. To be read to its end or cancelled; leaving it early cancels the call.
   */
  responses(): AsyncIterable<readonly Uint8Array[]>
  cancel(reason?: string): void
}

/** @param method the path, for example `/grpc.health.v1.Health/Check` */
export async function openCall(
  connection: Connection,
  method: string,
  options: CallOptions = {},
): Promise<OutgoingCall> {
  options.signal?.throwIfAborted()
  const metadata: Record<string, string> = { ...options.metadata, ':path': method }
  if (options.deadlineMs !== undefined) metadata['grpc-timeout'] = formatTimeout(options.deadlineMs)
  const stream = await connection.open(metadata)
  return new StreamCall(stream, connection, options)
}

/** One message there, one message back. */
export async function callUnary(
  connection: Connection,
  method: string,
  message: Uint8Array,
  options: CallOptions = {},
): Promise<Uint8Array> {
  const call = await openCall(connection, method, options)
  call.send(message).catch(ignore)
  call.end().catch(ignore)
  let response: Uint8Array | undefined
  for await (const batch of call.responses()) {
    if (response !== undefined || batch.length > 1) {
      throw new IsochroneError('malformed_message', `${method} answered with several messages`)
    }
    response = batch[0]
  }
  if (response === undefined) {
    throw new IsochroneError('malformed_message', `${method} answered without a message`)
  }
  return response
}

class StreamCall implements OutgoingCall {
  readonly stream: Stream
  readonly #peer: string
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  #timer: Timer | undefined
  /** Why this side gave the call up, if it did. */
  #error: IsochroneError | undefined

  constructor(stream: Stream, connection: Connection, options: CallOptions) {
    this.stream = stream
    this.#peer = shortId(connection.peer)
    const { signal, deadlineMs } = options
    if (deadlineMs !== undefined) {
      const clock = options.clock ?? systemClock
      const waitMs = Math.min(Math.max(deadlineMs, 0), deadlineMsMax)
      this.#timer = clock.after(waitMs, () => this.#onDeadline(waitMs))
    }
    if (signal !== undefined) {
      this.#signal = signal
      const onAbort = () => this.#giveUp(asIsochroneError(signal.reason, 'cancelled'))
      this.#onAbort = onAbort
      signal.addEventListener('abort', this.#onAbort, { once: true })
      if (signal.aborted) this.#onAbort()
    }
  }

  send(message: Uint8Array): Promise<void> {
    return this.stream.send(message)
  }

  end(): Promise<void> {
    return this.stream.end()
  }

  async *responses(): AsyncGenerator<readonly Uint8Array[], void, undefined> {
    let read = false
    try {
      yield* this.stream.messages()
      read = true
      const error = trailersError(await this.stream.trailers)
      if (error !== undefined) throw error
    } catch (error) {
      throw this.#error ?? error
    } finally {
      this.#settle()
      if (!read) this.stream.cancel('its caller left')
    }
  }

  cancel(reason = 'cancelled by its caller'): void {
    this.#giveUp(new IsochroneError('cancelled', `the call was cancelled: ${reason}`))
  }

  #onDeadline(deadlineMs: number): void {
    const text = `peer ${this.#peer} did not finish within the deadline of ${deadlineMs} ms`
    this.#giveUp(new IsochroneError('deadline_exceeded', text, { detail: { deadlineMs } }))
  }

  #giveUp(error: IsochroneError): void {
    this.#error ??= error
    this.#settle()
    this.stream.cancel(error.message)
  }

  #settle(): void {
    this.#timer?.cancel()
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

function ignore(): void {}
