/**
 * The listening side: TLS handshakes, the identity check, pairing, and plain gRPC clients.
 *
 * A socket has `handshakeTimeoutMs` from its first byte to belong to a connection, whatever it does
 * meanwhile.
 */
import {
  connect,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Clock, Log } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { formatAddress, parseAddress } from '../address.ts'
import { type Listener, transportLimits } from '../transport.ts'
import { AddressCount } from './address-count.ts'
import { certificateId } from './certificate.ts'
import type { ConnectionParts, TlsConnection } from './connection.ts'
import { destroyLater } from './destroy-later.ts'
import {
  forwardProtocol,
  openPath,
  PairingTable,
  reverseProtocol,
  tokenBytes,
  tokenKey,
} from './pairing.ts'
import { clientSessionOptions, serverSessionOptions, widenWindow } from './session-options.ts'
import { listenError } from './socket-errors.ts'

export interface AcceptorOptions {
  readonly tlsOptions: { readonly cert: string; readonly key: string }
  readonly clock: Clock
  readonly log: Log
  readonly handshakeTimeoutMs: number
  readonly limits: AddressLimits
  /** Connections there may be in all, and how many there are. */
  readonly hasRoom: () => boolean
  readonly makeConnection: (parts: ConnectionParts) => TlsConnection
}

/** Of one network address, see `transportLimits`. */
export interface AddressLimits {
  readonly handshakesPerAddressMax: number
  readonly socketsPerAddressMax: number
}

/** A socket from its first byte on. */
interface Arriving {
  readonly socket: Socket
  /** It counts among the connected now. */
  readonly arrived: () => void
}

interface ForwardHalf {
  readonly socket: TLSSocket
  readonly session: ServerHttp2Session
  readonly call: ServerHttp2Stream
  readonly adopt: (connection: TlsConnection) => void
}

interface Handshaken {
  readonly socket: TLSSocket
  readonly peer: NodeId
  readonly remoteAddress: string
  /** The socket belongs to a connection now: its time limit is off. */
  readonly settle: () => void
}

export class Acceptor {
  readonly #options: AcceptorOptions
  readonly #pairs = new PairingTable<ForwardHalf, Handshaken>()
  readonly #sockets = new Set<TLSSocket>()
  /** In the TLS handshake, by remote address: a server closes only once these have. */
  readonly #handshaking = new Map<string, Arriving>()
  readonly #arriving: AddressCount
  readonly #present: AddressCount

  constructor(options: AcceptorOptions) {
    this.#options = options
    this.#arriving = new AddressCount(options.limits.handshakesPerAddressMax)
    this.#present = new AddressCount(options.limits.socketsPerAddressMax)
  }

  async listen(address: string): Promise<Listener> {
    const server = createServer({
      ...this.#options.tlsOptions,
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false, // the check is ours: the key is the identity
      ALPNProtocols: [forwardProtocol, reverseProtocol],
      handshakeTimeout: this.#options.handshakeTimeoutMs,
      noDelay: true,
    })
    server.maxConnections = 2 * transportLimits.connectionsMax
    server.on('connection', (socket) => this.#onTcp(socket))
    server.on('secureConnection', (socket) => this.#onSecure(socket))
    server.on('tlsClientError', (error, socket) => {
      this.#options.log.debug('a TLS handshake failed', { error: error.message })
      destroyLater(socket)
    })
    await bind(server, address)
    server.on('error', (error) =>
      this.#options.log.error('listener failed', { error: error.message }),
    )
    const bound = server.address()
    const text =
      bound === null || typeof bound === 'string'
        ? address
        : formatAddress(bound.address, bound.port)
    return { address: text, close: () => this.#closeServer(server) }
  }

  /** Cuts sockets that belong to no connection. */
  close(): void {
    for (const socket of this.#sockets) destroyLater(socket)
    for (const { socket } of this.#handshaking.values()) destroyLater(socket)
  }

  #closeServer(server: Server): Promise<void> {
    return new Promise((resolve) => {
      server.close(() => resolve())
      this.close()
    })
  }

  #onTcp(socket: Socket): void {
    const remoteAddress = remoteAddressOf(socket)
    const arrived = this.#count(socket)
    if (arrived === undefined) {
      this.#options.log.debug('refused a socket: too many of its address', { remoteAddress })
      destroyLater(socket)
      return
    }
    const arriving = { socket, arrived }
    this.#handshaking.set(remoteAddress, arriving)
    socket.once('close', () => {
      arrived()
      if (this.#handshaking.get(remoteAddress) === arriving) this.#handshaking.delete(remoteAddress)
    })
  }

  /** Counts a socket with its address until it closes; undefined: there are too many. */
  #count(socket: Socket): (() => void) | undefined {
    const address = socket.remoteAddress ?? ''
    if (!this.#present.enter(address)) return undefined
    socket.once('close', () => this.#present.leave(address))
    if (!this.#arriving.enter(address)) return undefined
    let isArriving = true
    return () => {
      if (isArriving) this.#arriving.leave(address)
      isArriving = false
    }
  }

  #onSecure(socket: TLSSocket): void {
    const arriving = this.#handshaking.get(remoteAddressOf(socket))
    this.#handshaking.delete(remoteAddressOf(socket))
    socket.on('error', () => destroyLater(socket))
    const peer = certificateId(socket.getPeerX509Certificate())
    if (peer === undefined) {
      this.#options.log.debug('refused a peer without an Ed25519 certificate')
      destroyLater(socket)
      return
    }
    if (!this.#options.hasRoom()) {
      this.#options.log.warn('refused a peer: too many connections')
      destroyLater(socket)
      return
    }
    const handshaken = this.#track(socket, peer, arriving)
    if (socket.alpnProtocol === reverseProtocol) this.#onReverse(handshaken)
    else if (socket.alpnProtocol === forwardProtocol) this.#onForward(handshaken)
    else destroyLater(socket)
  }

  #track(socket: TLSSocket, peer: NodeId, arriving: Arriving | undefined): Handshaken {
    const timer = this.#options.clock.after(this.#options.handshakeTimeoutMs, () =>
      destroyLater(socket),
    )
    const settle = () => {
      timer.cancel()
      arriving?.arrived()
      this.#sockets.delete(socket)
    }
    this.#sockets.add(socket)
    socket.once('close', settle)
    const remoteAddress = remoteAddressOf(socket)
    return { socket, peer, remoteAddress, settle }
  }

  /**
   * HTTP/2 with this side as the server. The first call says who it is: a dialler of ours or a
   * plain client.
   */
  #onForward(handshaken: Handshaken): void {
    const session = performServerHandshake(handshaken.socket, serverSessionOptions)
    widenWindow(session)
    const { peer, remoteAddress } = handshaken
    const owner: { connection?: TlsConnection; isOpening?: boolean } = {}
    const adopt = (connection: TlsConnection) => {
      owner.connection = connection
      handshaken.settle()
    }
    session.on('error', () => session.destroy())
    session.on('stream', (call, headers) => {
      if (owner.connection === undefined) {
        call.on('error', () => {})
        if (owner.isOpening) {
          // A dialler waits for its answer; two pairs would share this session.
          destroyLater(handshaken.socket)
          return
        }
        if (headers[':path'] === openPath) {
          owner.isOpening = true
          this.#onOpenCall({ socket: handshaken.socket, session, call, adopt }, headers, handshaken)
          return
        }
        const sockets = [handshaken.socket]
        const parts = { peer, remoteAddress, calls: undefined, serves: session, sockets }
        adopt(this.#options.makeConnection(parts))
      }
      owner.connection?.accept(call, headers)
    })
  }

  #onOpenCall(half: ForwardHalf, headers: IncomingHttpHeaders, handshaken: Handshaken): void {
    const { call } = half
    call.resume()
    const token = String(headers[tokenKey])
    const other = this.#pairs.bringForward(handshaken.peer, token, half)
    if (other === 'taken') destroyLater(handshaken.socket)
    else if (other !== 'waits') this.#pair(half, other)
    else call.once('close', () => this.#pairs.forget(handshaken.peer, token))
  }

  /** The first bytes are the token; what follows is HTTP/2. */
  #onReverse(handshaken: Handshaken): void {
    const { socket, peer } = handshaken
    const read = () => {
      const bytes: Buffer | null = socket.read(tokenBytes)
      if (bytes === null) return
      socket.off('readable', read)
      const token = bytes.toString('base64url')
      const other = this.#pairs.bringReverse(peer, token, handshaken)
      if (other === 'taken') destroyLater(socket)
      else if (other === 'waits') socket.once('close', () => this.#pairs.forget(peer, token))
      else this.#pair(other, handshaken)
    }
    socket.on('readable', read)
  }

  #pair(forward: ForwardHalf, reverse: Handshaken): void {
    if (forward.session.destroyed || reverse.socket.destroyed) {
      forward.session.destroy()
      destroyLater(reverse.socket)
      return
    }
    const calls = connect('https://isochrone', {
      ...clientSessionOptions,
      createConnection: () => reverse.socket,
    })
    widenWindow(calls)
    reverse.settle()
    const { peer, remoteAddress } = reverse
    const connection = this.#options.makeConnection({
      peer,
      remoteAddress,
      calls,
      serves: forward.session,
      sockets: [forward.socket, reverse.socket],
    })
    forward.adopt(connection)
    const headers = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0' }
    if (!forward.call.destroyed) forward.call.respond(headers, { endStream: true })
  }
}

function remoteAddressOf(socket: Socket): string {
  return formatAddress(socket.remoteAddress ?? '?', socket.remotePort ?? 0)
}

function bind(server: Server, address: string): Promise<void> {
  const { host, port } = parseAddress(address)
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(listenError(error, address))
    server.once('error', onError)
    server.listen({ port, ...(host === '' ? {} : { host }) }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}
