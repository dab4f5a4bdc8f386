/**
 * The transport contract: authenticated connections to peers that open and accept streams.
 *
 * A `Stream` is one call: metadata first, then length-delimited messages both ways, then trailers
 * from the side that accepted it. Order is kept, a slow reader slows the writer, either side can
 * cancel. It does not matter who dialled: either side of a connection can open streams.
 * `transport.contract.ts` is the test every adapter passes.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { NodeId } from '../protocol/index.ts'

/** ASCII keys in lower case. Keys that end in `-bin` carry base64 bytes, as in gRPC. */
export type Metadata = Readonly<Record<string, string>>

export type CloseReason =
  | { readonly kind: 'local' } // this side closed it
  | { readonly kind: 'remote' } // the peer closed it in order
  | { readonly kind: 'lost'; readonly detail: string } // the network or the peer's process died
  // The peer broke the protocol or a limit.
  | { readonly kind: 'protocol-error'; readonly detail: string }

/** What is known of the path to the peer. Durations in ms. */
export interface LinkQuality {
  /** Smoothed round trip (RFC 6298); undefined before the first measurement. */
  readonly roundTripMs: number | undefined
  readonly roundTripMinMs: number | undefined
  /** Mean deviation of the round trip (RFC 6298). */
  readonly jitterMs: number | undefined
  /** Share of probes lost, or delayed so much that a segment must have been (0 to 1). */
  readonly loss: number | undefined
  readonly samples: number
  /** A probe's answer is later than the link's round trips explain: is the peer still there? */
  readonly overdue: boolean
  /** Monotonic ms of the latest answer; undefined before the first one. */
  readonly answeredAtMs: number | undefined
}

export interface Stream {
  /** What the opener sent first; for the opener, its own. */
  readonly metadata: Metadata
  /**
   * Aborts when the stream is cancelled, reset or its connection closes; the reason is an
   * `IsochroneError`.
   */
  readonly signal: AbortSignal
  /**
   * Sends one message; resolves when there is room for the next (back-pressure). The bytes are
   * taken at once: their memory may be used again. After the acceptor's end it does nothing.
   */
  send(message: Uint8Array): Promise<void>
  /**
   * No more messages from this side. The side that accepted ends with trailers (`defaultTrailers`
   * if none are given); that ends the call, and what it has not read is thrown away. Resolves when
   * everything has been handed on.
   */
  end(trailers?: Metadata): Promise<void>
  /**
   * Batches of whole messages in order; ends when the peer ended, throws when the stream broke. One
   * reader; leaving it early cancels the stream. Whoever opened a stream reads it to its end or
   * cancels it. Every message is in memory of its own that starts at a multiple of 8 bytes.
   */
  messages(): AsyncIterable<readonly Uint8Array[]>
  /**
   * What the accepting side ended with; rejects when the stream broke first. For the opener only.
   */
  readonly trailers: Promise<Metadata>
  /** Gives the stream up in both directions at once. */
  cancel(reason?: string): void
}

export interface Connection {
  readonly peer: NodeId
  /** For people and logs, `host:port` or the like. */
  readonly remoteAddress: string
  /**
   * Opens a stream; rejects when the connection is closed or the peer's limit of streams is
   * reached.
   */
  open(metadata: Metadata): Promise<Stream>
  link(): LinkQuality
  /**
   * Probes at another interval than `transportLimits.probeIntervalMs`: where something above
   * watches the peer, and there are many like it.
   */
  probeEvery(intervalMs: number): void
  /** Probes now, out of turn: somebody doubts that the peer is there. */
  probe(): void
  /** Closes in order: streams that run are cancelled. */
  close(): Promise<void>
  /** Resolves once, when the connection is gone. */
  readonly closed: Promise<CloseReason>
}

export interface Listener {
  /** The address bound, with the port that was chosen for `:0`. */
  readonly address: string
  close(): Promise<void>
}

/**
 * What the transport tells its owner. `onConnection` is for connections that peers dialled; `dial`
 * gives the others. `onStream` is for streams that peers open, on either kind.
 */
export interface TransportEvents {
  readonly onConnection?: (connection: Connection) => void
  readonly onStream: (stream: Stream, connection: Connection) => void
}

export interface Transport {
  readonly self: NodeId
  listen(address: string): Promise<Listener>
  /**
   * @param expected the peer's id; another key there is `identity_mismatch`. undefined: any key.
   */
  dial(address: string, expected: NodeId | undefined, signal?: AbortSignal): Promise<Connection>
  /** Closes every listener and connection. */
  close(): Promise<void>
}

/** What an acceptor ends with when it gives no trailers: gRPC's OK. */
export const defaultTrailers: Metadata = Object.freeze({ 'grpc-status': '0' })

/** Stands between a socket and TLS; see `emulation/`. */
export type SocketDecorator = (socket: Socket) => Duplex

/** Limits of every adapter; each a hard bound against a hostile peer. */
export const transportLimits = {
  /** One message: a prompt of 1 MiB of text and its framing fit; weights go in chunks of 1 MiB. */
  messageBytesMax: 8 * 1024 * 1024,
  metadataBytesMax: 16 * 1024,
  /** Streams that a peer may have open at once on one connection. */
  streamsPerConnectionMax: 1024,
  connectionsMax: 4096,
  /** Sum of what a peer may send unread on one connection (HTTP/2's connection window). */
  connectionWindowBytes: 16 * 1024 * 1024,
  /** Bytes of messages that have begun and not ended, on one connection. */
  assemblyBytesMax: 64 * 1024 * 1024,
  /** The same of all connections together: four hostile peers at their own limit. */
  assemblyTotalBytesMax: 256 * 1024 * 1024,
  /** What a connection gets even then: most calls fit in, so that hostile peers stop no others. */
  assemblySureBytes: 64 * 1024,
  /** Sockets of one network address in no connection yet: a hundred nodes behind one NAT. */
  handshakesPerAddressMax: 256,
  /** Sockets of one network address in all: a quarter of what a listener takes. */
  socketsPerAddressMax: 2048,
  streamWindowBytes: 1024 * 1024,
  handshakeTimeoutMs: 10_000,
  /** Heartbeat; notes on transports: control streams beat every 1–2 s. */
  probeIntervalMs: 2_000,
  /** RFC 6298's least time-out; shorter, a processor that is busy would pass for one that halts. */
  overdueMsMin: 1_000,
  /** Before any answer: what RFC 6298 falls back to. */
  overdueMsFirst: 3_000,
  /** A peer that answers no probe for this long is lost. */
  probeTimeoutMs: 10_000,
} as const
