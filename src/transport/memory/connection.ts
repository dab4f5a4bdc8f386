/**
 * One end of a simulated connection.
 */
import type { Clock } from '../../base/index.ts'
import { IsochroneError, type NodeId, shortId } from '../../protocol/index.ts'
import { checkMetadata } from '../metadata.ts'
import { Prober } from '../prober.ts'
import {
  type CloseReason,
  type Connection,
  type LinkQuality,
  type Metadata,
  type Stream,
  transportLimits,
} from '../transport.ts'
import { MemoryStream, type StreamPort } from './stream.ts'
import type { Frame, Wire } from './wire.ts'

export interface MemoryConnectionOptions {
  readonly peer: NodeId
  readonly remoteAddress: string
  readonly clock: Clock
  /** The dialler's streams have odd ids, the other's even ones. */
  readonly dialled: boolean
  readonly onStream: (stream: Stream, connection: Connection) => void
}

export class MemoryConnection implements Connection, StreamPort {
  readonly peer: NodeId
  readonly remoteAddress: string
  readonly closed: Promise<CloseReason>
  readonly #options: MemoryConnectionOptions
  readonly #prober: Prober
  readonly #streams = new Map<number, MemoryStream>()
  readonly #blocked = new Set<MemoryStream>()
  readonly #probes = new Map<number, () => void>()
  readonly #resolveClosed: (reason: CloseReason) => void
  #wire: Wire<Frame> | undefined
  #credit: number = transportLimits.connectionWindowBytes
  #nextId: number
  #nextProbe = 0
  #error: IsochroneError | undefined

  constructor(options: MemoryConnectionOptions) {
    this.#options = options
    this.peer = options.peer
    this.remoteAddress = options.remoteAddress
    this.#nextId = options.dialled ? 1 : 2
    const { promise, resolve } = Promise.withResolvers<CloseReason>()
    this.closed = promise
    this.#resolveClosed = resolve
    this.#prober = new Prober({
      clock: options.clock,
      channels: [(onAnswer) => this.#ping(onAnswer)],
      onLost: (detail) => this.lose(detail),
    })
  }

  /** @param wire towards the peer */
  start(wire: Wire<Frame>): void {
    this.#wire = wire
    this.#prober.start()
  }

  async open(metadata: Metadata): Promise<Stream> {
    if (this.#error !== undefined) throw this.#error
    checkMetadata(metadata)
    const mine = this.#nextId % 2
    if (this.#count(mine) >= transportLimits.streamsPerConnectionMax) {
      const text = `peer ${shortId(this.peer)} takes no more calls at once on this connection`
      throw new IsochroneError('all_nodes_busy', text)
    }
    const id = this.#nextId
    this.#nextId += 2
    const stream = new MemoryStream({ id, metadata: { ...metadata }, role: 'opener' }, this)
    this.#streams.set(id, stream)
    this.send({ kind: 'open', id, metadata: stream.metadata })
    return stream
  }

  probeEvery(intervalMs: number): void {
    this.#prober.every(intervalMs)
  }

  probe(): void {
    this.#prober.now()
  }

  link(): LinkQuality {
    return this.#prober.quality()
  }

  async close(): Promise<void> {
    if (this.#error !== undefined) return
    this.send({ kind: 'goaway' })
    this.#end({ kind: 'local' }, 'this side closed it')
  }

  /** The link or the peer's process died. */
  lose(detail: string): void {
    this.#end({ kind: 'lost', detail }, detail)
    this.#wire?.cut()
  }

  send(frame: Frame): void {
    if (this.#error === undefined) this.#wire?.send(frame)
  }

  takeCredit(stream: MemoryStream, bytes: number): boolean {
    if (bytes > 0 && this.#credit <= 0) {
      this.#blocked.add(stream)
      return false
    }
    this.#credit -= bytes
    return true
  }

  forget(stream: MemoryStream): void {
    this.#streams.delete(stream.id)
    this.#blocked.delete(stream)
  }

  receive(frame: Frame): void {
    if (this.#error !== undefined) return
    switch (frame.kind) {
      case 'open':
        this.#accept(frame.id, frame.metadata)
        break
      case 'message':
        this.#onMessage(frame.id, frame.message)
        break
      case 'end':
        this.#streams.get(frame.id)?.receiveEnd()
        break
      case 'trailers':
        this.#streams.get(frame.id)?.receiveTrailers(frame.trailers)
        break
      case 'reset':
        this.#streams.get(frame.id)?.break(resetError(frame.refused))
        break
      case 'credit':
        this.#onCredit(frame.id, frame.bytes)
        break
      case 'ping':
        this.send({ kind: 'pong', id: frame.id })
        break
      case 'pong':
        this.#onPong(frame.id)
        break
      case 'goaway':
        this.#end({ kind: 'remote' }, 'the peer closed it')
        break
    }
  }

  #accept(id: number, metadata: Metadata): void {
    if (this.#count(id % 2) >= transportLimits.streamsPerConnectionMax) {
      this.send({ kind: 'reset', id, refused: true })
      return
    }
    const stream = new MemoryStream({ id, metadata, role: 'acceptor' }, this)
    this.#streams.set(id, stream)
    this.#options.onStream(stream, this)
  }

  #onMessage(id: number, message: Uint8Array): void {
    const stream = this.#streams.get(id)
    if (stream !== undefined) stream.receive(message)
    else this.send({ kind: 'credit', id, bytes: message.length })
  }

  #onCredit(id: number, bytes: number): void {
    this.#credit += bytes
    this.#streams.get(id)?.addCredit(bytes)
    const blocked = [...this.#blocked]
    this.#blocked.clear()
    for (const stream of blocked) stream.pump()
  }

  #ping(onAnswer: (roundTripMs: number) => void): void {
    const id = this.#nextProbe
    this.#nextProbe += 1
    const sentAt = this.#options.clock.monotonic()
    this.#probes.set(id, () => onAnswer(this.#options.clock.monotonic() - sentAt))
    this.send({ kind: 'ping', id })
  }

  #onPong(id: number): void {
    const answer = this.#probes.get(id)
    this.#probes.delete(id)
    answer?.()
  }

  #count(parity: number): number {
    let count = 0
    for (const id of this.#streams.keys()) if (id % 2 === parity) count += 1
    return count
  }

  #end(reason: CloseReason, why: string): void {
    if (this.#error !== undefined) return
    const name = `peer ${shortId(this.peer)} at ${this.remoteAddress}`
    const text = `the connection to ${name} is closed: ${why}`
    this.#error = new IsochroneError('connection_lost', text)
    this.#prober.stop()
    for (const stream of [...this.#streams.values()]) stream.break(this.#error)
    this.#resolveClosed(reason)
  }
}

function resetError(refused: boolean): IsochroneError {
  return refused
    ? new IsochroneError('all_nodes_busy', 'the peer takes no more calls now')
    : new IsochroneError('cancelled', 'the peer cancelled the call')
}
