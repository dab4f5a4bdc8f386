/**
 * The opener's end of a call: HTTP/2's client. It learns the trailers.
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import type { IsochroneError } from '../../protocol/index.ts'
import { type Deferred, deferred, done } from '../deferred.ts'
import type { Metadata } from '../transport.ts'
import { TlsStream, type TlsStreamOptions } from './stream.ts'
import { metadataOf, responseError } from './wire.ts'

export class OpenedStream extends TlsStream {
  readonly #h2: ClientHttp2Stream
  #trailers: Metadata | undefined
  #trailersWanted: Deferred<Metadata> | undefined
  #finished: Deferred<void> | undefined
  #inputEnded = false

  constructor(h2: ClientHttp2Stream, options: TlsStreamOptions) {
    super(h2, options)
    this.#h2 = h2
    h2.on('response', (headers, flags) => this.#onResponse(headers, flags))
    h2.on('trailers', (headers) => this.#onTrailers(headers))
  }

  get trailers(): Promise<Metadata> {
    if (this.#trailersWanted === undefined) {
      this.#trailersWanted = deferred()
      if (this.#trailers !== undefined) this.#trailersWanted.resolve(this.#trailers)
      else if (this.error !== undefined) this.#trailersWanted.reject(this.error)
    }
    return this.#trailersWanted.promise
  }

  end(): Promise<void> {
    if (this.error !== undefined) return Promise.reject(this.error)
    if (this.complete) return done
    if (!this.ended) {
      this.ended = true
      this.#h2.end()
    }
    if (this.#h2.writableFinished) return done
    if (this.#finished === undefined) {
      const finished = deferred<void>()
      this.#finished = finished
      this.#h2.once('finish', finished.resolve)
    }
    return this.#finished.promise
  }

  protected beforeSend(): void {}

  protected onInputEnd(): void {
    this.#inputEnded = true
    if (this.#trailers !== undefined) this.inbox.end()
  }

  protected onInputRefused(error: IsochroneError): void {
    this.break(error)
    this.abandon()
  }

  protected onBroken(error: IsochroneError): void {
    this.#trailersWanted?.reject(error)
    this.#finished?.reject(error)
  }

  #onResponse(headers: IncomingHttpHeaders, flags: number): void {
    const error = responseError(headers)
    if (error !== undefined) {
      this.break(error)
      this.abandon()
    } else if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
      this.#onTrailers(headers)
    }
  }

  #onTrailers(headers: IncomingHttpHeaders): void {
    if (this.error !== undefined) return
    this.#trailers = metadataOf(headers)
    this.setComplete()
    this.#finished?.resolve()
    this.#trailersWanted?.resolve(this.#trailers)
    if (this.#inputEnded) this.inbox.end()
    if (this.ended) return
    this.ended = true
    this.#h2.end()
  }
}
