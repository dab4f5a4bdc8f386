/**
 * The dialling side: two sockets to the peer, the identity check, and the call that joins them.
 */
import { type ClientHttp2Stream, connect, performServerHandshake } from 'node:http2'
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Clock, Random } from '../../base/index.ts'
import { IsochroneError, type NodeId, shortId } from '../../protocol/index.ts'
import { parseAddress } from '../address.ts'
import type { SocketDecorator } from '../transport.ts'
import { certificateId } from './certificate.ts'
import type { ConnectionParts, TlsConnection } from './connection.ts'
import { destroyLater } from './destroy-later.ts'
import { forwardProtocol, openPath, reverseProtocol, tokenBytes, tokenKey } from './pairing.ts'
import { clientSessionOptions, serverSessionOptions, widenWindow } from './session-options.ts'
import { dialError } from './socket-errors.ts'
import { requestHeaders } from './wire.ts'

export interface DiallerOptions {
  readonly tlsOptions: { readonly cert: string; readonly key: string }
  readonly clock: Clock
  readonly random: Random
  readonly handshakeTimeoutMs: number
  readonly decorateSocket: SocketDecorator | undefined
  readonly makeConnection: (parts: ConnectionParts) => TlsConnection
}

interface Attempt {
  readonly address: string
  readonly expected: NodeId | undefined
  /** Aborts when the caller gives up, time is over or a part of the attempt failed. */
  readonly signal: AbortSignal
}

export async function dial(
  options: DiallerOptions,
  address: string,
  limits: { readonly expected: NodeId | undefined; readonly signal: AbortSignal | undefined },
): Promise<TlsConnection> {
  const controller = new AbortController()
  const giveUp = () =>
    controller.abort(new IsochroneError('cancelled', `dialling ${address} was cancelled`))
  if (limits.signal?.aborted) giveUp()
  limits.signal?.addEventListener('abort', giveUp, { once: true })
  const timer = options.clock.after(options.handshakeTimeoutMs, () => {
    const text = `could not reach ${address}: no connection within ${options.handshakeTimeoutMs} ms`
    controller.abort(new IsochroneError('peer_unreachable', text, { detail: { address } }))
  })
  try {
    return await establish(options, {
      address,
      expected: limits.expected,
      signal: controller.signal,
    })
  } catch (error) {
    controller.abort(error)
    throw dialError(controller.signal.reason, address)
  } finally {
    timer.cancel()
    limits.signal?.removeEventListener('abort', giveUp)
  }
}

async function establish(options: DiallerOptions, attempt: Attempt): Promise<TlsConnection> {
  const opening = [
    openSocket(options, attempt, forwardProtocol),
    openSocket(options, attempt, reverseProtocol),
  ] as const
  const [forward, reverse] = await Promise.all(opening)
  const peer = checkedPeer(forward, attempt)
  if (checkedPeer(reverse, attempt) !== peer) throw mismatch(attempt.address, 'two keys answered')
  const token = options.random.bytes(tokenBytes)
  await writeToken(reverse, token)
  if (forward.destroyed || reverse.destroyed) throw closedEarly(attempt.address)
  const calls = connect('https://isochrone', {
    ...clientSessionOptions,
    createConnection: () => forward,
  })
  const serves = performServerHandshake(reverse, serverSessionOptions)
  calls.once('connect', () => widenWindow(calls))
  widenWindow(serves)
  const connection = options.makeConnection({
    peer,
    remoteAddress: attempt.address,
    calls,
    serves,
    sockets: [forward, reverse],
  })
  serves.on('stream', (call, headers) => connection.accept(call, headers))
  const headers = requestHeaders({
    ':path': openPath,
    [tokenKey]: Buffer.from(token).toString('base64url'),
  })
  try {
    await answered(calls.request(headers, { endStream: true }), attempt)
  } catch (error) {
    await connection.close()
    throw error
  }
  return connection
}

async function openSocket(
  options: DiallerOptions,
  attempt: Attempt,
  protocol: string,
): Promise<TLSSocket> {
  const raw = await openTcp(attempt)
  const socket = connectTls({
    ...options.tlsOptions,
    socket: options.decorateSocket === undefined ? raw : options.decorateSocket(raw),
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false, // the check is ours: the key is the identity
    ALPNProtocols: [protocol],
  })
  await reached(socket, 'secureConnect', attempt)
  if (socket.alpnProtocol !== protocol) {
    destroyLater(socket)
    const text = `could not reach ${attempt.address}: it does not speak ${protocol}`
    throw new IsochroneError('peer_unreachable', text)
  }
  // HTTP/2 hears of errors once it has the socket; this keeps those before it from being unhandled.
  socket.on('error', () => destroyLater(socket))
  attempt.signal.addEventListener('abort', () => destroyLater(socket), { once: true })
  return socket
}

async function openTcp(attempt: Attempt): Promise<Socket> {
  const { host, port } = parseAddress(attempt.address)
  const socket = createConnection({ port, host: host === '' ? 'localhost' : host, noDelay: true })
  await reached(socket, 'connect', attempt)
  return socket
}

/** Waits for the socket's event; a socket that fails is destroyed. */
function reached(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  attempt: Attempt,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal } = attempt
    const fail = (error: unknown) => {
      settle()
      socket.on('error', () => {})
      destroyLater(socket)
      reject(dialError(error, attempt.address))
    }
    const onAbort = () => fail(signal.reason)
    const onClose = () => fail(closedEarly(attempt.address))
    const onEvent = () => {
      settle()
      resolve()
    }
    const settle = () => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', fail).off('close', onClose).off(event, onEvent)
    }
    signal.addEventListener('abort', onAbort)
    socket.on('error', fail).on('close', onClose).on(event, onEvent)
    if (signal.aborted) onAbort()
  })
}

/** Throws unless the certificate proves the expected peer. */
function checkedPeer(socket: TLSSocket, attempt: Attempt): NodeId {
  const peer = certificateId(socket.getPeerX509Certificate())
  if (peer === undefined) {
    const text = `the peer at ${attempt.address} did not show an Ed25519 key`
    throw new IsochroneError('peer_unauthenticated', text)
  }
  if (attempt.expected !== undefined && attempt.expected !== peer) {
    throw mismatch(
      attempt.address,
      `expected ${shortId(attempt.expected)}, found ${shortId(peer)}; is the address right?`,
    )
  }
  return peer
}

/** HTTP/2 may take the socket over only when nothing of ours is on its way. */
function writeToken(socket: TLSSocket, token: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(token, (error) => (error ? reject(error) : resolve()))
  })
}

/** Resolves when the acceptor has joined the two sockets. */
function answered(call: ClientHttp2Stream, attempt: Attempt): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal } = attempt
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    call.on('error', () => {})
    call.once('close', () => reject(closedEarly(attempt.address)))
    call.once('response', (headers) => {
      if (headers['grpc-status'] === '0') resolve()
      else reject(closedEarly(attempt.address))
    })
    call.resume()
  })
}

function mismatch(address: string, reason: string): IsochroneError {
  const text = `the peer at ${address} is another one: ${reason}`
  return new IsochroneError('identity_mismatch', text, { detail: { address } })
}

function closedEarly(address: string): IsochroneError {
  const text = `could not reach ${address}: the peer closed the connection during the handshake`
  return new IsochroneError('peer_unreachable', text, { detail: { address } })
}
