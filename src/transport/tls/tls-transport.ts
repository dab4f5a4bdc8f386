/**
 * The transport over TCP: TLS 1.3 with Ed25519 keys on both sides, HTTP/2 as the multiplexer,
 * gRPC's wire protocol.
 */
import type { Clock, Log, Random } from '../../base/index.ts'
import { IsochroneError, type NodeId } from '../../protocol/index.ts'
import type { AssemblyTotal } from '../assembly-budget.ts'
import {
  type Connection,
  type Listener,
  type SocketDecorator,
  type Transport,
  type TransportEvents,
  transportLimits,
} from '../transport.ts'
import { Acceptor, type AddressLimits } from './acceptor.ts'
import { type CertificateIdentity, createCredentials } from './certificate.ts'
import { type ConnectionParts, TlsConnection } from './connection.ts'
import { dial } from './dialler.ts'

export interface TlsTransportOptions {
  readonly identity: CertificateIdentity
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  /** Put between the dialling side's sockets and TLS. */
  readonly decorateSocket?: SocketDecorator
  /** For tests; `transportLimits.handshakeTimeoutMs` otherwise. */
  readonly handshakeTimeoutMs?: number
  /** For tests: false gives every call a stream of its own, as towards any gRPC server. */
  readonly carriesCalls?: boolean
  /** For tests; `transportLimits` otherwise. */
  readonly limits?: Partial<TlsLimits>
}

export interface TlsLimits extends AddressLimits {
  readonly assemblyTotalBytesMax: number
  readonly assemblySureBytes: number
}

export interface TlsTransport extends Transport {
  /** PEM, for plain gRPC clients that want to pin this peer; its DNS name is the id. */
  readonly certificate: string
}

export function createTlsTransport(
  options: TlsTransportOptions,
  events: TransportEvents,
): TlsTransport {
  return new NodeTlsTransport(options, events)
}

class NodeTlsTransport implements TlsTransport {
  readonly self: NodeId
  readonly certificate: string
  readonly #options: TlsTransportOptions
  readonly #events: TransportEvents
  readonly #tlsOptions: { readonly cert: string; readonly key: string }
  readonly #handshakeTimeoutMs: number
  readonly #acceptor: Acceptor
  readonly #assembly: AssemblyTotal
  readonly #connections = new Set<TlsConnection>()
  readonly #listeners = new Set<Listener>()
  #closed = false

  constructor(options: TlsTransportOptions, events: TransportEvents) {
    this.#options = options
    this.#events = events
    this.self = options.identity.id
    const credentials = createCredentials(options.identity)
    this.certificate = credentials.certificate
    this.#tlsOptions = { cert: credentials.certificate, key: credentials.privateKey }
    this.#handshakeTimeoutMs = options.handshakeTimeoutMs ?? transportLimits.handshakeTimeoutMs
    const limits: TlsLimits = { ...transportLimits, ...options.limits }
    const { assemblyTotalBytesMax: bytesMax, assemblySureBytes: sureBytes } = limits
    this.#assembly = { bytes: 0, bytesMax, sureBytes }
    this.#acceptor = new Acceptor({
      tlsOptions: this.#tlsOptions,
      clock: options.clock,
      log: options.log,
      handshakeTimeoutMs: this.#handshakeTimeoutMs,
      limits,
      hasRoom: () => this.#connections.size < transportLimits.connectionsMax,
      makeConnection: (parts) => this.#accepted(parts),
    })
  }

  async listen(address: string): Promise<Listener> {
    this.#assertOpen()
    const listener = await this.#acceptor.listen(address)
    const tracked: Listener = {
      address: listener.address,
      close: async () => {
        this.#listeners.delete(tracked)
        await listener.close()
      },
    }
    this.#listeners.add(tracked)
    return tracked
  }

  async dial(
    address: string,
    expected: NodeId | undefined,
    signal?: AbortSignal,
  ): Promise<Connection> {
    this.#assertOpen()
    const { clock, random, decorateSocket } = this.#options
    const diallerOptions = {
      tlsOptions: this.#tlsOptions,
      clock,
      random,
      decorateSocket,
      handshakeTimeoutMs: this.#handshakeTimeoutMs,
      makeConnection: (parts: ConnectionParts) => this.#makeConnection(parts),
    }
    const connection = await dial(diallerOptions, address, { expected, signal })
    if (this.#closed) await connection.close()
    return connection
  }

  async close(): Promise<void> {
    this.#closed = true
    const connections = [...this.#connections].map((connection) => connection.close())
    this.#acceptor.close()
    const listeners = [...this.#listeners].map((listener) => listener.close())
    await Promise.all([...connections, ...listeners])
  }

  #accepted(parts: ConnectionParts): TlsConnection {
    const connection = this.#makeConnection(parts)
    this.#events.onConnection?.(connection)
    return connection
  }

  #makeConnection(parts: ConnectionParts): TlsConnection {
    const { clock, log } = this.#options
    const assembly = this.#assembly
    const { onStream } = this.#events
    const connection = new TlsConnection({
      ...parts,
      clock,
      log,
      onStream,
      assembly,
      carriesCalls: this.#options.carriesCalls ?? true,
    })
    this.#connections.add(connection)
    void connection.closed.then((reason) => {
      this.#connections.delete(connection)
      log.debug('connection closed', { peer: connection.peer, reason: reason.kind })
    })
    return connection
  }

  #assertOpen(): void {
    if (this.#closed) throw new IsochroneError('cancelled', 'this transport is closed')
  }
}
