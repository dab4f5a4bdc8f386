/**
 * One call on a simulated connection. Messages wait in an outbox until the reader's window has
 * room.
 */
import { assert } from '../../base/index.ts'
import { IsochroneError } from '../../protocol/index.ts'
import { Inbox } from '../inbox.ts'
import { checkMessageSize, checkMetadata } from '../metadata.ts'
import { defaultTrailers, type Metadata, type Stream, transportLimits } from '../transport.ts'
import type { Frame } from './wire.ts'

/** What a stream needs of its connection. */
export interface StreamPort {
  send(frame: Frame): void
  /**
   * Takes bytes of the connection's window; false: none left, and `pump` is called when there is.
   */
  takeCredit(stream: MemoryStream, bytes: number): boolean
  forget(stream: MemoryStream): void
}

export interface MemoryStreamOptions {
  readonly id: number
  readonly metadata: Metadata
  readonly role: 'opener' | 'acceptor'
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Outgoing {
  readonly frame: Frame
  readonly bytes: number
  readonly sent: Waiting | undefined
}

export class MemoryStream implements Stream {
  readonly id: number
  readonly metadata: Metadata
  readonly #role: 'opener' | 'acceptor'
  readonly #port: StreamPort
  readonly #inbox: Inbox
  readonly #controller = new AbortController()
  readonly #trailers = Promise.withResolvers<Metadata>()
  #outbox: Outgoing[] = []
  #credit: number = transportLimits.streamWindowBytes
  #roomWanted: (Waiting & { readonly promise: Promise<void> }) | undefined
  #ending: Promise<void> | undefined
  #error: IsochroneError | undefined
  #complete = false
  /** What is unread has been given back to the connection's window already. */
  #released = false

  constructor(options: MemoryStreamOptions, port: StreamPort) {
    this.id = options.id
    this.metadata = options.metadata
    this.#role = options.role
    this.#port = port
    this.#inbox = new Inbox({
      onTaken: (bytes) => {
        if (!this.#released) port.send({ kind: 'credit', id: this.id, bytes })
      },
      onAbandoned: () => this.cancel('its reader left'),
    })
    this.#trailers.promise.catch(() => {})
    if (this.#role === 'acceptor') {
      const text = 'trailers come from the side that accepted a stream'
      this.#trailers.reject(new IsochroneError('internal', text))
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get trailers(): Promise<Metadata> {
    return this.#trailers.promise
  }

  async send(message: Uint8Array): Promise<void> {
    if (this.#error !== undefined) throw this.#error
    if (this.#complete) return
    assert(this.#ending === undefined, 'nothing is sent after the end of a stream')
    checkMessageSize(message.length)
    // A copy: what the sender does to its memory afterwards must not reach the peer.
    const frame: Frame = { kind: 'message', id: this.id, message: new Uint8Array(message) }
    this.#outbox.push({ frame, bytes: message.length, sent: undefined })
    this.pump()
    if (this.#outbox.length > 0 || this.#credit <= 0) await this.#room()
  }

  async end(trailers: Metadata = defaultTrailers): Promise<void> {
    if (this.#error !== undefined) throw this.#error
    if (this.#ending !== undefined) return this.#ending
    if (this.#role === 'opener') {
      if (this.#complete) return
      this.#ending = this.#queueLast({ kind: 'end', id: this.id })
    } else {
      checkMetadata(trailers)
      this.#ending = this.#queueLast({ kind: 'trailers', id: this.id, trailers: { ...trailers } })
    }
    await this.#ending
  }

  messages(): AsyncIterable<readonly Uint8Array[]> {
    return this.#inbox
  }

  cancel(reason = 'cancelled'): void {
    const over = this.#complete || this.#error !== undefined
    this.break(new IsochroneError('cancelled', `the call was cancelled: ${reason}`), true)
    if (!over) this.#port.send({ kind: 'reset', id: this.id, refused: false })
  }

  /** Sends what the windows allow. */
  pump(): void {
    while (this.#error === undefined) {
      const [next] = this.#outbox
      if (next === undefined) break
      if (next.bytes > 0 && this.#credit <= 0) return
      if (!this.#port.takeCredit(this, next.bytes)) return
      this.#credit -= next.bytes
      this.#outbox.shift()
      this.#port.send(next.frame)
      next.sent?.resolve()
    }
    if (this.#credit <= 0) return
    this.#roomWanted?.resolve()
    this.#roomWanted = undefined
  }

  addCredit(bytes: number): void {
    this.#credit += bytes
    this.pump()
  }

  receive(message: Uint8Array): void {
    this.#inbox.push(message)
    this.#inbox.flush()
  }

  receiveEnd(): void {
    this.#inbox.end()
  }

  /** For the opener: the acceptor has said its last word. */
  receiveTrailers(trailers: Metadata): void {
    this.#setComplete()
    this.#trailers.resolve(trailers)
    this.#inbox.end()
  }

  /** The stream is over with an error, and everything that waits is rejected. */
  break(error: IsochroneError, dropUnread = false): void {
    this.#release()
    this.#inbox.fail(error, dropUnread)
    if (this.#error !== undefined || this.#complete) return
    this.#error = error
    this.#trailers.reject(error)
    this.#roomWanted?.reject(error)
    for (const { sent } of this.#outbox) sent?.reject(error)
    this.#outbox = []
    this.#port.forget(this)
    this.#controller.abort(error)
  }

  async #queueLast(frame: Frame): Promise<void> {
    const sent = Promise.withResolvers<void>()
    sent.promise.catch(() => {})
    this.#outbox.push({ frame, bytes: 0, sent })
    this.pump()
    await sent.promise
    if (frame.kind !== 'trailers') return
    this.#setComplete()
    this.#release()
    this.#inbox.end()
  }

  #release(): void {
    const bytes = this.#inbox.bytes
    if (!this.#released && bytes > 0) this.#port.send({ kind: 'credit', id: this.id, bytes })
    this.#released = true
  }

  #room(): Promise<void> {
    if (this.#roomWanted === undefined) {
      const wanted = Promise.withResolvers<void>()
      wanted.promise.catch(() => {})
      this.#roomWanted = wanted
    }
    return this.#roomWanted.promise
  }

  #setComplete(): void {
    this.#complete = true
    for (const { sent } of this.#outbox) sent?.resolve()
    this.#outbox = []
    this.#roomWanted?.resolve()
    this.#port.forget(this)
  }
}
