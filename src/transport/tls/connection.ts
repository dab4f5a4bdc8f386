/**
 * An authenticated connection: an HTTP/2 session for the calls that this side opens and one for
 * those that the peer opens, each on a socket of its own. They live and die together.
 */
import {
  type ClientHttp2Session,
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Clock, Log } from '../../base/index.ts'
import { IsochroneError, type NodeId, shortId } from '../../protocol/index.ts'
import type { AssemblyBudget, AssemblyTotal } from '../assembly-budget.ts'
import { Carriers, carrierPath } from '../carrier/carriers.ts'
import { carrierLimits } from '../carrier/limits.ts'
import { checkMetadata, metadataBytes } from '../metadata.ts'
import { Prober, type SendProbe } from '../prober.ts'
import {
  type CloseReason,
  type Connection,
  type LinkQuality,
  type Metadata,
  type Stream,
  transportLimits,
} from '../transport.ts'
import { AcceptedStream } from './accepted-stream.ts'
import { OpenedStream } from './opened-stream.ts'
import type { TlsStream } from './stream.ts'
import { isGrpc, metadataOf, requestHeaders } from './wire.ts'

/** What a handshake, on either side, ends with. */
export type ConnectionParts = Pick<
  TlsConnectionOptions,
  'peer' | 'remoteAddress' | 'calls' | 'serves' | 'sockets'
>

export interface TlsConnectionOptions {
  readonly peer: NodeId
  readonly remoteAddress: string
  /** For calls that this side opens; undefined: the peer takes none (a plain gRPC client). */
  readonly calls: ClientHttp2Session | undefined
  /** For calls that the peer opens. */
  readonly serves: ServerHttp2Session
  /** What the sessions stand on, for when they cannot close by themselves. */
  readonly sockets: readonly Duplex[]
  readonly clock: Clock
  readonly log: Log
  readonly onStream: (stream: Stream, connection: Connection) => void
  /** Whether calls between peers like this one share a stream. */
  readonly carriesCalls: boolean
  /** Shared by all connections of a transport. */
  readonly assembly: AssemblyTotal
}

/** How long an orderly close may take before the sockets are cut. */
const closeTimeoutMs = 1_000

export class TlsConnection implements Connection {
  readonly peer: NodeId
  readonly remoteAddress: string
  readonly closed: Promise<CloseReason>
  readonly #options: TlsConnectionOptions
  readonly #sessions: readonly Http2Session[]
  readonly #sessionsClosed: Promise<unknown>
  readonly #prober: Prober
  readonly #streams = new Set<TlsStream>()
  readonly #budget: AssemblyBudget
  readonly #resolveClosed: (reason: CloseReason) => void
  readonly #carriers: Carriers
  #opened = 0
  #accepted = 0
  #openedMax: number = transportLimits.streamsPerConnectionMax
  #reason: CloseReason | undefined
  #error: IsochroneError | undefined

  constructor(options: TlsConnectionOptions) {
    this.#options = options
    const { assembly: total } = options
    this.#budget = { bytes: 0, bytesMax: transportLimits.assemblyBytesMax, total }
    this.peer = options.peer
    this.remoteAddress = options.remoteAddress
    const { promise, resolve } = Promise.withResolvers<CloseReason>()
    this.closed = promise
    this.#resolveClosed = resolve
    const { calls, serves } = options
    this.#sessions = calls === undefined ? [serves] : [calls, serves]
    this.#sessionsClosed = Promise.all(this.#sessions.map((session) => once(session, 'close')))
    for (const session of this.#sessions) this.#watch(session)
    calls?.on('remoteSettings', (settings) => {
      const peersMax = settings.maxConcurrentStreams ?? transportLimits.streamsPerConnectionMax
      this.#openedMax = Math.min(peersMax, transportLimits.streamsPerConnectionMax)
    })
    this.#carriers = new Carriers({
      clock: options.clock,
      budget: this.#budget,
      connectionError: this.#connectionError,
      open:
        options.carriesCalls && calls !== undefined
          ? (metadata) => this.#request(calls, metadata, { budget: carrierBudget() })
          : undefined,
      hasRoom: this.#hasRoom,
      onCall: (stream) => options.onStream(stream, this),
      onBreach: (detail) => this.#gone({ kind: 'protocol-error', detail }),
    })
    this.#prober = new Prober({
      clock: options.clock,
      channels: this.#sessions.map(probeOf),
      onLost: (detail) => this.#gone({ kind: 'lost', detail }),
    })
    this.#prober.start()
  }

  async open(metadata: Metadata): Promise<Stream> {
    if (this.#error !== undefined) throw this.#error
    const { calls } = this.#options
    if (calls === undefined) {
      throw new IsochroneError(
        'peer_unreachable',
        `${this.#name} takes no calls on this connection`,
      )
    }
    checkMetadata(metadata)
    const running = this.#opened + this.#carriers.size
    if (running >= this.#openedMax) {
      throw new IsochroneError(
        'all_nodes_busy',
        `${this.#name} already has ${running} calls of ours, and takes no more at once`,
      )
    }
    if (calls.closed || calls.destroyed) throw connectionLost(this.#name, 'its socket is closing')
    const carried = this.#carriers.open(metadata)
    if (carried !== undefined) return carried
    this.#opened += 1
    return this.#request(calls, metadata, {
      onClose: () => {
        this.#opened -= 1
      },
    })
  }

  /** Resolves once the first call has shown whether calls of this side share a stream. */
  get carriesCalls(): Promise<boolean> {
    return this.#carriers.answered
  }

  /** A call that the peer opened. */
  accept(h2: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const metadata = metadataOf(headers)
    const status = refusal(headers, metadata)
    if (status !== undefined) {
      refuse(h2, status)
      return
    }
    const isCarrier = this.#options.carriesCalls && metadata[':path'] === carrierPath
    if (this.#error !== undefined || !(isCarrier || this.#hasRoom())) {
      h2.on('error', () => {})
      const code = this.#error === undefined ? 'REFUSED_STREAM' : 'CANCEL'
      h2.close(constants[`NGHTTP2_${code}`])
      return
    }
    if (isCarrier) {
      // Not among the streams that a close cuts: it ends with what was said last.
      const options = this.#streamOptions(metadata, carrierBudget())
      this.#carriers.accept(new AcceptedStream(h2, options))
      return
    }
    const stream = new AcceptedStream(h2, this.#streamOptions(metadata))
    this.#accepted += 1
    h2.once('close', () => {
      this.#accepted -= 1
      this.#streams.delete(stream)
    })
    this.#streams.add(stream)
    this.#options.onStream(stream, this)
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
    this.#gone({ kind: 'local' })
    await this.closed
  }

  /** Without the address: messages reach clients, and where a node lives is not theirs to know. */
  get #name(): string {
    return `peer ${shortId(this.peer)}`
  }

  #request(
    calls: ClientHttp2Session,
    metadata: Metadata,
    { onClose, budget }: { readonly onClose?: () => void; readonly budget?: AssemblyBudget },
  ): OpenedStream {
    const h2 = calls.request(requestHeaders(metadata), { endStream: false })
    const stream = new OpenedStream(h2, this.#streamOptions(metadata, budget))
    h2.once('close', () => {
      onClose?.()
      this.#streams.delete(stream)
    })
    this.#streams.add(stream)
    return stream
  }

  /** Whether the peer may have one more call, on a stream of its own or not. */
  readonly #hasRoom = (): boolean =>
    this.#accepted + this.#carriers.acceptedSize < transportLimits.streamsPerConnectionMax

  #streamOptions(metadata: Metadata, budget: AssemblyBudget = this.#budget) {
    return { metadata, budget, connectionError: this.#connectionError }
  }

  /** A stream may hear of the connection's end before the connection does. */
  readonly #connectionError = (): IsochroneError | undefined => {
    if (this.#error !== undefined) return this.#error
    if (this.#sessions.every((session) => !session.destroyed && !session.closed)) return undefined
    return connectionLost(this.#name, 'its socket closed')
  }

  #watch(session: Http2Session): void {
    session.on('goaway', (code) => this.#gone(goawayReason(code)))
    session.on('error', (error) => this.#gone(errorReason(error)))
    session.on('frameError', (type, code) => {
      this.#options.log.debug('an HTTP/2 frame could not be sent', { type, code, peer: this.peer })
    })
    session.on('close', () => this.#gone({ kind: 'lost', detail: 'the peer’s socket closed' }))
  }

  /** The first reason counts. */
  #gone(reason: CloseReason): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    const why = 'detail' in reason ? reason.detail : closings[reason.kind]
    this.#error = connectionLost(this.#name, why)
    this.#prober.stop()
    void this.#closeSessions(reason.kind, this.#error).then(() => this.#resolveClosed(reason))
  }

  async #closeSessions(kind: CloseReason['kind'], error: IsochroneError): Promise<void> {
    if (kind !== 'remote') this.#carriers.end(error, kind === 'local')
    for (const session of this.#sessions) {
      // `close` says goodbye first, so that the peer sees a connection that closes and no cancelled
      // calls.
      if (kind === 'local' || kind === 'remote') session.close()
      else session.destroy(undefined, constants.NGHTTP2_NO_ERROR)
    }
    // A peer that closes ends its calls itself: what it sent before may still be on its way on the
    // other socket.
    if (kind !== 'remote') this.#breakStreams(error)
    const timer = this.#options.clock.after(closeTimeoutMs, () => {
      for (const session of this.#sessions) session.destroy()
      for (const socket of this.#options.sockets) socket.destroy()
    })
    await this.#sessionsClosed
    timer.cancel()
    this.#carriers.end(error, false)
    this.#breakStreams(error)
  }

  #breakStreams(error: IsochroneError): void {
    for (const stream of this.#streams) {
      stream.break(error)
      stream.disconnect()
    }
  }
}

/** Of its own: what others take of the common one must not end all calls of this connection. */
function carrierBudget(): AssemblyBudget {
  return { bytes: 0, bytesMax: carrierLimits.batchBytesMax }
}

const closings = { local: 'this side closed it', remote: 'the peer closed it' }

function connectionLost(name: string, why: string): IsochroneError {
  return new IsochroneError('connection_lost', `the connection to ${name} is closed: ${why}`)
}

/** Unlike `events.once` it does not reject on 'error', which is handled elsewhere. */
function once(session: Http2Session, event: 'close'): Promise<void> {
  return new Promise((resolve) => session.once(event, () => resolve()))
}

function probeOf(session: Http2Session): SendProbe {
  return (onAnswer) => {
    if (session.destroyed || session.closed) return
    session.ping((error, durationMs) => {
      if (error === null) onAnswer(durationMs)
    })
  }
}

function goawayReason(code: number): CloseReason {
  if (code === constants.NGHTTP2_NO_ERROR) return { kind: 'remote' }
  return { kind: 'protocol-error', detail: `the peer closed with HTTP/2 error ${code}` }
}

function errorReason(error: NodeJS.ErrnoException): CloseReason {
  const kind = error.code?.startsWith('ERR_HTTP2') ? 'protocol-error' : 'lost'
  return { kind, detail: error.message }
}

/** The HTTP status for what is no call of gRPC, or one over a limit; undefined: it is one. */
function refusal(headers: IncomingHttpHeaders, metadata: Metadata): number | undefined {
  if (headers[':method'] !== 'POST') return 405
  if (!isGrpc(headers)) return 415
  return metadataBytes(metadata) > transportLimits.metadataBytesMax ? 431 : undefined
}

/** grpc/doc/PROTOCOL-HTTP2.md: what is not gRPC gets an HTTP status. */
function refuse(h2: ServerHttp2Stream, status: number): void {
  h2.on('error', () => {})
  h2.respond({ ':status': status }, { endStream: true })
  h2.resume()
  setImmediate(() => h2.close(constants.NGHTTP2_NO_ERROR))
}
