/**
 * EMULATION of a wide-area path, for demonstrations and tests on one machine. Nothing here is a
 * real network.
 *
 * Between a real socket and TLS, every byte waits for the one-way delay and some jitter, in both
 * directions and in order. What stands above runs unchanged and feels the path as a real one: TLS's
 * and HTTP/2's round trips, probes, calls. TCP's own handshake took place on the real socket
 * before; its round trip is added to the first bytes. Not emulated: loss, limits of bandwidth,
 * TCP's slow start.
 */
import { Duplex } from 'node:stream'
import type { Clock, Random, Timer } from '../../base/index.ts'
import type { SocketDecorator } from '../transport.ts'

export interface WideAreaOptions {
  readonly oneWayDelayMs: number
  /** Every piece waits up to this much longer, uniformly. */
  readonly jitterMs: number
  readonly random: Random
  readonly clock: Clock
}

/**
 * For the dialling side's sockets: both directions are delayed there, so the peer needs nothing.
 */
export function emulateWideArea(options: WideAreaOptions): SocketDecorator {
  return (socket) => new WideAreaSocket(socket, options)
}

/**
 * What may be on its way in one direction: 300 Mbit/s over 200 ms, and more than HTTP/2's stream
 * window.
 */
const inFlightBytesMax = 8 * 1024 * 1024

/** Clocks count ms since 1970 in floating point: less than this is no time at all. */
const resolutionMs = 0.001

type Piece = { readonly bytes: Buffer } | 'end'

/** One direction: pieces come out in order, each after its delay. */
class DelayLine {
  readonly #options: WideAreaOptions
  readonly #deliver: (piece: Piece) => void
  #pieces: { readonly at: number; readonly piece: Piece }[] = []
  #bytes = 0
  #earliest: number
  #timer: Timer | undefined
  #held = false

  /** @param notBefore on the clock's monotonic scale */
  constructor(options: WideAreaOptions, notBefore: number, deliver: (piece: Piece) => void) {
    this.#options = options
    this.#earliest = notBefore
    this.#deliver = deliver
  }

  get full(): boolean {
    return this.#bytes >= inFlightBytesMax
  }

  push(piece: Piece): void {
    const { clock, oneWayDelayMs, jitterMs, random } = this.#options
    const arrival = clock.monotonic() + oneWayDelayMs + random.float() * jitterMs
    this.#earliest = Math.max(this.#earliest, arrival)
    this.#pieces.push({ at: this.#earliest, piece })
    if (piece !== 'end') this.#bytes += piece.bytes.length
    this.#schedule()
  }

  /** The receiver takes nothing now: what falls due waits. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#deliverDue()
  }

  /**
   * Delivers the rest now: the clock's timers do not keep a process alive, a socket that closed
   * does not either.
   */
  flush(): void {
    this.#timer?.cancel()
    const rest = this.#pieces
    this.#pieces = []
    this.#bytes = 0
    for (const { piece } of rest) this.#deliver(piece)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#pieces = []
  }

  #schedule(): void {
    const next = this.#pieces[0]
    if (next === undefined || this.#held || this.#timer !== undefined) return
    const waitMs = Math.max(0, next.at - this.#options.clock.monotonic())
    this.#timer = this.#options.clock.after(waitMs, () => {
      this.#timer = undefined
      this.#deliverDue()
    })
  }

  #deliverDue(): void {
    const now = this.#options.clock.monotonic()
    for (;;) {
      const next = this.#pieces[0]
      if (next === undefined || next.at > now + resolutionMs || this.#held) break
      this.#pieces.shift()
      if (next.piece !== 'end') this.#bytes -= next.piece.bytes.length
      this.#deliver(next.piece)
    }
    this.#schedule()
  }
}

class WideAreaSocket extends Duplex {
  readonly #socket: Duplex
  readonly #outward: DelayLine
  readonly #inward: DelayLine
  /** Goes on with a write that waits for room on the path. */
  #onRoom: (() => void) | undefined
  #onFlushed: (() => void) | undefined

  constructor(socket: Duplex, options: WideAreaOptions) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    const now = options.clock.monotonic()
    const handshakeMs = 2 * options.oneWayDelayMs
    this.#outward = new DelayLine(options, now + handshakeMs + options.oneWayDelayMs, (piece) =>
      this.#sendOn(piece),
    )
    this.#inward = new DelayLine(options, now, (piece) => this.#receive(piece))
    socket.on('data', (bytes: Buffer) => {
      this.#inward.push({ bytes })
      if (this.#inward.full) socket.pause()
    })
    socket.on('end', () => this.#inward.push('end'))
    socket.on('drain', () => this.#outward.release())
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.#onSocketClosed())
  }

  override _read(): void {
    this.#inward.release()
    if (!this.#inward.full && this.#socket.isPaused()) this.#socket.resume()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (!this.#socket.destroyed) this.#outward.push({ bytes })
    if (this.#outward.full) this.#onRoom = callback
    else callback()
  }

  override _final(callback: () => void): void {
    if (this.#socket.destroyed) {
      callback()
      return
    }
    this.#onFlushed = callback
    this.#outward.push('end')
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#outward.stop()
    this.#inward.stop()
    this.#socket.destroy()
    callback(error)
  }

  #sendOn(piece: Piece): void {
    if (piece === 'end') {
      this.#socket.end()
      this.#onFlushed?.()
      return
    }
    if (!this.#socket.destroyed && !this.#socket.write(piece.bytes)) this.#outward.hold()
    if (this.#onRoom === undefined || this.#outward.full) return
    const onRoom = this.#onRoom
    this.#onRoom = undefined
    onRoom()
  }

  #receive(piece: Piece): void {
    if (!this.push(piece === 'end' ? null : piece.bytes)) this.#inward.hold()
    if (!this.#inward.full && this.#socket.isPaused()) this.#socket.resume()
  }

  /** After an orderly end what is on its way still arrives; without one the path is dead. */
  #onSocketClosed(): void {
    if (!this.#socket.readableEnded) {
      this.destroy()
      return
    }
    // Nothing can be sent any more: the path closes once the rest was read.
    this.once('end', () => this.destroy())
    this.#inward.flush()
    this.#outward.flush()
  }
}
