/**
 * The serving side of calls: one handler per method; what it throws becomes the call's status.
 */
import type { Clock, Log, Timer } from '../../base/index.ts'
import { asIsochroneError, IsochroneError, type NodeId } from '../../protocol/index.ts'
import { giveBudget, takeBudget } from '../assembly-budget.ts'
import type { Connection, Metadata, Stream } from '../transport.ts'
import { parseTimeout } from './deadline.ts'
import { RequestBudgets } from './request-budgets.ts'
import { errorTrailers, okTrailers } from './status.ts'

export type CallHandler = (call: IncomingCall) => Promise<void>

export interface IncomingCall {
  readonly method: string
  readonly metadata: Metadata
  /** The authenticated peer. */
  readonly peer: NodeId
  readonly connection: Connection
  /** Aborts when the caller cancels, its deadline passes, the connection breaks, or by `abort`. */
  readonly signal: AbortSignal
  /** For whoever serves: the handler is to end with the reason. */
  abort(reason: unknown): void
  /** The only message; throws `malformed_message` when there are none or several. */
  request(): Promise<Uint8Array>
  requests(): AsyncIterable<readonly Uint8Array[]>
  /** Resolves when there is room for the next message; rejects once `signal` aborted. */
  send(message: Uint8Array): Promise<void>
}

export interface ServeModules {
  readonly log: Log
  readonly clock: Clock
  /** Told +1 when a call comes, and −1 when its last byte was handed on or it broke. */
  readonly onCall?: (change: 1 | -1) => void
}

/** Give it to the transport as `onStream`. */
export function serveCalls(
  handlers: Readonly<Record<string, CallHandler>>,
  modules: ServeModules,
): (stream: Stream, connection: Connection) => void {
  const serving: Serving = { handlers, budgets: new RequestBudgets(), ...modules }
  return (stream, connection) => {
    void serve(stream, connection, serving)
  }
}

interface Serving extends ServeModules {
  readonly handlers: Readonly<Record<string, CallHandler>>
  readonly budgets: RequestBudgets
}

async function serve(stream: Stream, connection: Connection, serving: Serving): Promise<void> {
  const method = stream.metadata[':path'] ?? ''
  let call: StreamIncomingCall | undefined
  serving.onCall?.(1)
  try {
    const handler = Object.hasOwn(serving.handlers, method) ? serving.handlers[method] : undefined
    if (handler === undefined) {
      throw new IsochroneError('method_not_found', `there is no method ${JSON.stringify(method)}`)
    }
    call = new StreamIncomingCall(stream, connection, serving)
    await handler(call)
    call.throwIfLate()
    await stream.end(okTrailers)
  } catch (error) {
    await refuse(stream, call?.failure ?? error, serving.log)
  } finally {
    call?.settle()
    serving.onCall?.(-1)
  }
}

async function refuse(stream: Stream, error: unknown, log: Log): Promise<void> {
  if (!(error instanceof IsochroneError)) {
    const { message } = asIsochroneError(error)
    log.error('a call handler failed', { method: stream.metadata[':path'], error: message })
  }
  try {
    await stream.end(errorTrailers(error))
  } catch {
    // The stream broke before: the caller is gone or knows.
  }
}

class StreamIncomingCall implements IncomingCall {
  readonly method: string
  readonly metadata: Metadata
  readonly peer: NodeId
  readonly connection: Connection
  readonly #stream: Stream
  readonly #budgets: RequestBudgets
  readonly #controller = new AbortController()
  readonly #onAbort: () => void
  #timer: Timer | undefined
  /** Why the call ended before its handler did, if so. */
  failure: IsochroneError | undefined

  constructor(stream: Stream, connection: Connection, { budgets, clock }: Serving) {
    this.#stream = stream
    this.#budgets = budgets
    this.metadata = stream.metadata
    this.method = stream.metadata[':path'] ?? ''
    this.connection = connection
    this.peer = connection.peer
    const deadlineMs = parseTimeout(stream.metadata['grpc-timeout'])
    const onAbort = () => this.abort(stream.signal.reason)
    this.#onAbort = onAbort
    if (stream.signal.aborted) onAbort()
    stream.signal.addEventListener('abort', onAbort, { once: true })
    if (deadlineMs === undefined) return
    this.#timer = clock.after(deadlineMs, () => this.#onDeadline(deadlineMs))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }

  async request(): Promise<Uint8Array> {
    // Read by hand: leaving a `for await` early would cancel the stream and with it the error's
    // status.
    const reader = this.#stream.messages()[Symbol.asyncIterator]()
    const { done, value } = await reader.next()
    const message = done === true ? undefined : value[0]
    if (done === true || message === undefined) {
      throw new IsochroneError('malformed_message', `${this.method} needs a message`)
    }
    const isSingle = value.length === 1 && (await this.#endsAfter(reader, message.length))
    if (isSingle) return message
    throw new IsochroneError('malformed_message', `${this.method} takes one message only`)
  }

  /** The caller takes its time for the end: until then what has come counts as unfinished. */
  async #endsAfter(reader: AsyncIterator<readonly Uint8Array[]>, bytes: number): Promise<boolean> {
    const budget = this.#budgets.of(this.connection, bytes)
    if (budget === undefined) return (await reader.next()).done === true
    takeBudget(budget, bytes)
    try {
      return (await reader.next()).done === true
    } finally {
      giveBudget(budget, bytes)
    }
  }

  requests(): AsyncIterable<readonly Uint8Array[]> {
    return this.#stream.messages()
  }

  send(message: Uint8Array): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    return this.#stream.send(message)
  }

  throwIfLate(): void {
    if (this.failure !== undefined) throw this.failure
  }

  settle(): void {
    this.#timer?.cancel()
    this.#stream.signal.removeEventListener('abort', this.#onAbort)
  }

  #onDeadline(deadlineMs: number): void {
    const text = `the call’s deadline of ${deadlineMs} ms passed`
    this.failure = new IsochroneError('deadline_exceeded', text, { detail: { deadlineMs } })
    this.abort(this.failure)
    // The caller learns it now, whether the handler hears of it or not.
    this.#stream.end(errorTrailers(this.failure)).catch(() => {})
  }
}
