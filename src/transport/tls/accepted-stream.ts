/**
 * The acceptor's end of a call: HTTP/2's server. It ends the call with trailers.
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import { IsochroneError } from '../../protocol/index.ts'
import { type Deferred, deferred } from '../deferred.ts'
import { checkMetadata } from '../metadata.ts'
import { defaultTrailers, type Metadata } from '../transport.ts'
import { TlsStream, type TlsStreamOptions } from './stream.ts'

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' }
const trailersOnly = { endStream: true, sendDate: false }
const withTrailers = { waitForTrailers: true, sendDate: false }

export class AcceptedStream extends TlsStream {
  readonly #h2: ServerHttp2Stream
  #trailers: Metadata = defaultTrailers
  #trailersSent: Deferred<void> | undefined
  #inputEnded = false

  constructor(h2: ServerHttp2Stream, options: TlsStreamOptions) {
    super(h2, options)
    this.#h2 = h2
  }

  get trailers(): Promise<Metadata> {
    const never = deferred<Metadata>()
    never.reject(
      new IsochroneError('internal', 'trailers come from the side that accepted a stream'),
    )
    return never.promise
  }

  end(trailers: Metadata = defaultTrailers): Promise<void> {
    if (this.error !== undefined) return Promise.reject(this.error)
    if (this.#trailersSent !== undefined) return this.#trailersSent.promise
    try {
      checkMetadata(trailers)
    } catch (error) {
      return Promise.reject(error)
    }
    this.ended = true
    this.#trailers = trailers
    this.#trailersSent = deferred()
    if (this.#h2.closed) {
      // The peer has reset the call, and what it sent before is still unread: 'close' waits for it.
      this.discardInput()
    } else if (this.#inputEnded && !this.#h2.headersSent) {
      this.#respondWithTrailersOnly()
    } else {
      // With a reset to follow, headers and trailers go out as data does: the reset cannot overtake
      // them.
      this.beforeSend()
      this.#h2.end()
    }
    return this.#trailersSent.promise
  }

  /** A last word that was given still goes out. */
  override disconnect(): void {
    if (!this.complete) this.abandon()
  }

  protected beforeSend(): void {
    if (this.#h2.headersSent || this.#h2.closed) return
    this.#h2.respond(responseHeaders, withTrailers)
    this.#h2.on('wantTrailers', () => {
      if (this.#h2.destroyed || this.#h2.closed) return
      this.#h2.sendTrailers(this.#trailers)
      this.#afterTrailers()
    })
  }

  protected onInputEnd(): void {
    this.#inputEnded = true
    if (this.#h2.rstCode === constants.NGHTTP2_NO_ERROR) this.inbox.end()
  }

  /** The handler hears of it from `messages()` and answers with a status. */
  protected onInputRefused(): void {}

  protected onBroken(error: IsochroneError): void {
    this.#trailersSent?.reject(error)
  }

  #respondWithTrailersOnly(): void {
    this.#h2.respond({ ...responseHeaders, ...this.#trailers }, trailersOnly)
    this.#afterTrailers()
  }

  #afterTrailers(): void {
    this.setComplete()
    this.#trailersSent?.resolve()
    if (this.#inputEnded) return
    this.inbox.end()
    // RFC 9113 §8.1: a complete answer before the end of the request; the rest is not wanted.
    setImmediate(() => {
      if (!this.#h2.closed) this.#h2.close(constants.NGHTTP2_NO_ERROR)
      this.discardInput()
    })
  }
}
