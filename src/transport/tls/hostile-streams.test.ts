/** Peers that hold a valid key and misbehave within their calls. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { describe, it } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { ManualClock, secureRandom, silentLog } from '../../base/index.ts'
import { createIdentity, hasCode } from '../../protocol/index.ts'
import { healthHandler } from '../calls/health.ts'
import { type CallHandler, serveCalls } from '../calls/incoming.ts'
import { callUnary, openCall } from '../calls/outgoing.ts'
import type { Connection } from '../transport.ts'
import { createCredentials } from './certificate.ts'
import { frameMessage } from './framing.ts'
import { openPath, tokenKey } from './pairing.ts'
import { createTlsTransport, type TlsTransport } from './tls-transport.ts'

const health = '/grpc.health.v1.Health/Check'
const path = '/transport.v1.Test/Call'

describe('a hostile peer', () => {
  it('that sends empty messages without end is stopped by a reader that is slow', async () => {
    const messages = 500_000
    let sent = 0
    const flood: CallHandler = async (call) => {
      for (; sent < messages; sent += 1) await call.send(new Uint8Array(0))
    }
    await withPeers({ [path]: flood, [health]: healthHandler(() => true) }, async (peers) => {
      const connection = await peers.other.dial(peers.address, peers.victim.self)
      const call = await openCall(connection, path)
      const reader = call.responses()[Symbol.asyncIterator]()
      await reader.next()
      // Another call goes there and back, and the flood has not moved: it waits for its reader.
      for (let before = -1; before < sent; ) {
        before = sent
        for (let i = 0; i < 10; i += 1) await callUnary(connection, health, new Uint8Array())
      }
      assert.ok(sent < messages, 'all messages lie in the memory of the reader')
      call.cancel()
      await assert.rejects(reader.next(), (error) => hasCode(error, 'cancelled'))
    })
  })

  it('that resets a call which is not read yet does no harm when its deadline passes', async () => {
    const failures: unknown[] = []
    const started = Promise.withResolvers<void>()
    const idle: CallHandler = async (call) => {
      call.requests()[Symbol.asyncIterator]()
      started.resolve()
      await once(call.signal, 'abort')
      failures.push(call.signal.reason)
    }
    await withPeers({ [path]: idle }, async ({ port, clock }) => {
      const socket = await handshake(port)
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
      socket.write(frame(4, { stream: 0 }))
      await once(socket, 'data') // the settings, with a window that the messages fit in
      socket.write(frame(4, { stream: 0, flags: 1 }))
      socket.write(frame(1, { flags: 4, payload: headers({ 'grpc-timeout': '50m' }) }))
      const message = frameMessage(new Uint8Array(15_000))
      for (let i = 0; i < 30; i += 1) socket.write(frame(0, { payload: message }))
      socket.write(frame(3, { payload: Buffer.alloc(4) })) // RST_STREAM, NO_ERROR
      await Promise.all([started.promise, answerToPing(socket)])
      clock.advance(50)
      await new Promise((resolve) => setImmediate(resolve))
      assert.ok(failures.length === 1 && hasCode(failures[0], 'deadline_exceeded'))
      socket.destroy()
    })
  })

  it('that calls before its two sockets are joined is cut off', async () => {
    await withPeers({ [health]: healthHandler(() => true) }, async ({ port, accepted }) => {
      for (const second of [health, openPath]) {
        const socket = await handshake(port)
        const session = connectHttp2('https://peer', { createConnection: () => socket })
        session.on('error', () => {})
        for (const [i, each] of [openPath, second].entries()) {
          const call = session.request({ ...post(each), [tokenKey]: `token ${i}` })
          call.on('error', () => {})
          call.resume()
        }
        await once(session, 'close')
      }
      assert.equal(accepted.length, 0)
    })
  })
})

interface Peers {
  readonly victim: TlsTransport
  readonly other: TlsTransport
  readonly address: string
  readonly port: number
  /** The victim's. */
  readonly clock: ManualClock
  readonly accepted: readonly Connection[]
}

async function withPeers(
  handlers: Readonly<Record<string, CallHandler>>,
  body: (peers: Peers) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock()
  const modules = { log: silentLog, clock, random: secureRandom }
  const accepted: Connection[] = []
  const onStream = serveCalls(handlers, modules)
  const victim = createTlsTransport(
    { identity: createIdentity(), ...modules },
    { onStream, onConnection: (connection) => accepted.push(connection) },
  )
  const other = createTlsTransport({ identity: createIdentity(), ...modules }, { onStream })
  try {
    const { address } = await victim.listen('127.0.0.1:0')
    const port = Number(address.split(':')[1])
    await body({ victim, other, address, port, clock, accepted })
  } finally {
    await Promise.all([victim.close(), other.close()])
  }
}

async function handshake(port: number): Promise<TLSSocket> {
  const { certificate, privateKey } = createCredentials(createIdentity())
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    cert: certificate,
    key: privateKey,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

/** Frames are handled in order: once it is here, all before the ping have been. */
async function answerToPing(socket: TLSSocket): Promise<void> {
  const payload = Buffer.from('pingpong')
  socket.write(frame(6, { stream: 0, payload }))
  let received = Buffer.alloc(0)
  while (!received.includes(frame(6, { stream: 0, flags: 1, payload }))) {
    const [bytes] = await once(socket, 'data')
    received = Buffer.concat([received, bytes])
  }
}

function post(to: string) {
  return { ':path': to, ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
}

/** A header block without compression (RFC 7541 §6.2.2). */
function headers(more: Readonly<Record<string, string>>): Buffer {
  const literal = (text: string) => Buffer.from([text.length, ...Buffer.from(text)])
  const own = { ...post(path), ':scheme': 'https', ':authority': 'peer' }
  const pseudo = Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1)) // ':' sorts first
  const entries = [...pseudo, ...Object.entries(more)]
  return Buffer.concat(
    entries.map(([key, value]) => Buffer.concat([Buffer.from([0]), literal(key), literal(value)])),
  )
}

/** An HTTP/2 frame (RFC 9113 §4.1). */
function frame(
  type: number,
  { stream = 1, flags = 0, payload = Buffer.alloc(0) }: FrameFields = {},
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

interface FrameFields {
  readonly stream?: number
  readonly flags?: number
  readonly payload?: Buffer
}
