/**
 * One call on HTTP/2, in gRPC's wire protocol: what the opener's and the acceptor's ends have in
 * common.
 *
 * Written for little cost per message: `send` gives one shared resolved promise while there is
 * room, and promises and the abort signal are made only when somebody asks for them.
 */
import { type ClientHttp2Stream, constants, type ServerHttp2Stream } from 'node:http2'
import { addAbortSignal } from 'node:stream'
import { assert } from '../../base/index.ts'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'
import type { AssemblyBudget } from '../assembly-budget.ts'
import { type Deferred, deferred, done } from '../deferred.ts'
import { Inbox } from '../inbox.ts'
import type { Metadata, Stream } from '../transport.ts'
import { frameMessage, MessageParser } from './framing.ts'
import { streamError } from './wire.ts'

/** A reader this far behind stops the stream's reading; HTTP/2's window then stops the peer. */
const unreadBytesMax = 256 * 1024
/** What a message takes besides its bytes: an empty one is not for free. */
const messageOverheadBytes = 128

export interface TlsStreamOptions {
  readonly metadata: Metadata
  readonly budget: AssemblyBudget
  /** Why the connection is gone, if it is. */
  readonly connectionError: () => IsochroneError | undefined
}

const alreadyAborted = AbortSignal.abort()

export abstract class TlsStream implements Stream {
  readonly metadata: Metadata
  abstract readonly trailers: Promise<Metadata>
  protected readonly inbox: Inbox
  /** Why the stream broke; undefined while it has not. */
  protected error: IsochroneError | undefined
  /** The acceptor has said its last word: whatever happens to the stream now is no error. */
  protected complete = false
  /** This side sends no more. */
  protected ended = false
  readonly #h2: ClientHttp2Stream | ServerHttp2Stream
  readonly #connectionError: () => IsochroneError | undefined
  readonly #parser: MessageParser
  #controller: AbortController | undefined
  #drained: Deferred<void> | undefined

  constructor(h2: ClientHttp2Stream | ServerHttp2Stream, options: TlsStreamOptions) {
    this.#h2 = h2
    this.#connectionError = options.connectionError
    this.metadata = options.metadata
    this.#parser = new MessageParser(options.budget)
    this.inbox = new Inbox({
      onStart: () => this.#startReading(),
      onTaken: () => this.#resumeReading(),
      onAbandoned: () => this.cancel('its reader left'),
    })
    h2.on('error', ignore) // 'close' follows and says all
    h2.on('close', () => this.#onClose())
    h2.on('aborted', () => this.#onAborted())
  }

  abstract end(trailers?: Metadata): Promise<void>
  protected abstract beforeSend(): void
  /** Everything that the peer sent has been parsed. */
  protected abstract onInputEnd(): void
  /** What the peer sent cannot be used; the reader has been told. */
  protected abstract onInputRefused(error: IsochroneError): void
  protected abstract onBroken(error: IsochroneError): void

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.error !== undefined) this.#controller.abort(this.error)
    }
    return this.#controller.signal
  }

  send(message: Uint8Array): Promise<void> {
    if (this.error !== undefined) return Promise.reject(this.error)
    if (this.complete) return done // the peer has answered and does not listen
    assert(!this.ended, 'nothing is sent after the end of a stream')
    let frame: Buffer
    try {
      frame = frameMessage(message)
    } catch (error) {
      return Promise.reject(error)
    }
    this.beforeSend()
    if (this.#h2.write(frame)) return done
    return this.#waitForDrain()
  }

  messages(): AsyncIterable<readonly Uint8Array[]> {
    return this.inbox
  }

  cancel(reason = 'cancelled'): void {
    if (this.#h2.destroyed || (this.complete && this.inbox.over)) return
    this.break(new IsochroneError('cancelled', `the call was cancelled: ${reason}`), true)
    this.abandon()
  }

  /** The stream is over with an error, and everything that waits is rejected. */
  break(error: IsochroneError, dropUnread = false): void {
    this.inbox.fail(error, dropUnread)
    if (this.error !== undefined || this.complete) return
    this.error = error
    this.#drained?.reject(error)
    this.onBroken(error)
    this.#controller?.abort(error)
  }

  /**
   * Resets the stream (CANCEL). `close()` would first send an end of stream, which to the peer
   * looks like a complete message; destroying with an abort does not.
   */
  abandon(): void {
    if (!this.#h2.destroyed) addAbortSignal(alreadyAborted, this.#h2)
  }

  /** Its connection closes: the stream holds it up no longer than it must. */
  disconnect(): void {
    this.abandon()
  }

  protected setComplete(): void {
    this.complete = true
    this.#drained?.resolve()
  }

  /** Throws away what still comes, so that HTTP/2 can close the stream. */
  protected discardInput(): void {
    this.#h2.removeAllListeners('data')
    this.#h2.resume()
    this.#parser.release()
  }

  #waitForDrain(): Promise<void> {
    if (this.#drained === undefined) {
      const drained = deferred<void>()
      this.#drained = drained
      this.#h2.once('drain', () => {
        this.#drained = undefined
        drained.resolve()
      })
    }
    return this.#drained.promise
  }

  #startReading(): void {
    if (this.#h2.readableEnded) this.onInputEnd()
    if (this.#h2.readableEnded || this.#h2.destroyed) return
    this.#h2.on('end', () => this.#onEnd())
    this.#h2.on('data', (chunk: Buffer) => this.#onData(chunk))
  }

  #resumeReading(): void {
    if (this.#h2.isPaused()) this.#h2.resume()
  }

  readonly #take = (message: Uint8Array): void => this.inbox.push(message)

  #onData(chunk: Buffer): void {
    try {
      this.#parser.feed(chunk, this.#take)
    } catch (error) {
      this.#refuseInput(asIsochroneError(error))
      return
    }
    this.inbox.flush()
    const unreadBytes = this.inbox.bytes + this.inbox.length * messageOverheadBytes
    if (unreadBytes >= unreadBytesMax) this.#h2.pause()
  }

  #onEnd(): void {
    if (this.#parser.unfinished && this.#h2.rstCode === constants.NGHTTP2_NO_ERROR) {
      this.#refuseInput(new IsochroneError('malformed_message', 'the last message is truncated'))
    } else {
      this.onInputEnd()
    }
  }

  #refuseInput(error: IsochroneError): void {
    this.inbox.fail(error)
    this.discardInput()
    this.onInputRefused(error)
  }

  /**
   * The peer reset the stream while this side was still open, or the socket died. Only a tick later
   * is it known which, and are trailers told that came before.
   */
  #onAborted(): void {
    if (this.#h2.rstCode === constants.NGHTTP2_NO_ERROR) return
    process.nextTick(() => this.break(this.#reason()))
  }

  #onClose(): void {
    this.#parser.release()
    if (this.#h2.readableEnded) this.onInputEnd()
    // An error costs its stack: a call that ended well needs none.
    if (!(this.complete && this.inbox.over)) this.break(this.#reason())
  }

  #reason(): IsochroneError {
    return this.#connectionError() ?? streamError(this.#h2.rstCode)
  }
}

function ignore(): void {}
