/** Peers that hold a valid key and misbehave below the level of calls. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { describe, it } from 'node:test'
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { ManualClock, secureRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity, hasCode } from '../../protocol/index.ts'
import { healthHandler } from '../calls/health.ts'
import { serveCalls } from '../calls/incoming.ts'
import { callUnary } from '../calls/outgoing.ts'
import type { CloseReason, Connection } from '../transport.ts'
import { transportLimits } from '../transport.ts'
import { createCredentials } from './certificate.ts'
import { openPath, reverseProtocol, tokenKey } from './pairing.ts'
import { createTlsTransport } from './tls-transport.ts'

const health = '/grpc.health.v1.Health/Check'
const modules = { log: silentLog, clock: systemClock, random: secureRandom }

describe('a hostile peer', () => {
  it('that is silent in the TLS handshake is cut off', async () => {
    await withVictim({ handshakeTimeoutMs: 50 }, async ({ port }) => {
      const socket = connectTcp({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'close')
    })
  })

  it('that is silent in the TLS handshake does not hold up a close', async () => {
    // No other time-out than the handshake's, which is over when the test long is.
    await withVictim({ handshakeTimeoutMs: 600_000 }, async ({ port, close }) => {
      const socket = connectTcp({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'connect')
      const later = await handshake(port, 'h2')
      later.destroy() // so the first one has been accepted
      await Promise.all([once(socket, 'close'), close()])
    })
  })

  it('that is silent after the TLS handshake is cut off, on either protocol', async () => {
    await withVictim({ handshakeTimeoutMs: 50 }, async ({ port }) => {
      for (const protocol of ['h2', reverseProtocol]) {
        const socket = await handshake(port, protocol)
        socket.resume()
        await once(socket, 'close')
      }
    })
  })

  it('that never brings the second socket is cut off', async () => {
    await withVictim({ handshakeTimeoutMs: 50 }, async ({ port }) => {
      const session = await http2(port)
      const call = session.request({ ...post(openPath), [tokenKey]: 'alone' })
      call.on('error', () => {})
      call.resume()
      await once(session, 'close')
    })
  })

  it('that sends garbage instead of HTTP/2 is closed, and others are served', async () => {
    await withVictim({}, async ({ port, works }) => {
      const garbage = fc.uint8Array({ minLength: 64, maxLength: 4096 })
      await fc.assert(
        fc.asyncProperty(garbage, async (bytes) => {
          const socket = await handshake(port, 'h2')
          socket.resume()
          socket.end(bytes)
          await once(socket, 'close')
        }),
        { numRuns: 30 },
      )
      await works()
    })
  })

  it('that sends HTTP/2 and then garbage frames is closed', async () => {
    await withVictim({}, async ({ port, works, accepted }) => {
      const socket = await handshake(port, 'h2')
      socket.resume()
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
      socket.write(frame(4, Buffer.alloc(0)))
      socket.write(frame(0, Buffer.from('data for a stream that is not there'), 1))
      socket.write(Buffer.alloc(100, 0xff))
      await once(socket, 'close')
      await works()
      assert.equal(accepted.length, 1) // only the one that `works` made
    })
  })

  it('that sends garbage as messages gets a status, on a connection that goes on', async () => {
    await withVictim({}, async ({ port }) => {
      const session = await http2(port)
      const cases: readonly (readonly [Buffer, string])[] = [
        [Buffer.from([0, 0, 0, 0, 9, 1]), '3'], // truncated
        [Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), '8'], // 4 GiB promised
        [Buffer.from([1, 0, 0, 0, 0]), '12'], // compressed
        [Buffer.from([7, 0, 0, 0, 0]), '3'], // no such flag
        [Buffer.from([0, 0, 0, 0, 0]), '0'], // and a good one
      ]
      for (const [bytes, status] of cases) assert.equal(await statusOf(session, bytes), status)
      session.close()
    })
  })

  it('that speaks plain HTTP/2 gets an HTTP status', async () => {
    await withVictim({}, async ({ port }) => {
      const session = await http2(port)
      const get = session.request({ ':path': '/' })
      const [headers] = await once(get, 'response')
      assert.equal(headers[':status'], 405)
      const post = session.request({ ':path': '/', ':method': 'POST' })
      const [answer] = await once(post, 'response')
      assert.equal(answer[':status'], 415)
      session.close()
    })
  })

  it('that sends metadata over the limit is refused', async () => {
    await withVictim({}, async ({ port, works }) => {
      const session = await http2(port)
      session.on('error', () => {})
      const large = 'a'.repeat(2 * transportLimits.metadataBytesMax)
      const call = session.request({ ...post(health), 'x-large': large })
      const [headers] = await once(call, 'response')
      assert.equal(headers[':status'], 431)
      session.destroy()
      await works()
    })
  })

  it('that resets its calls at once, thousands of times, does not stop the others', async () => {
    await withVictim({}, async ({ port, works }) => {
      const session = await http2(port)
      session.on('error', () => {})
      for (let i = 0; i < 6_000 && !session.destroyed && !session.closed; i += 1) {
        const call = session.request(post(health))
        call.on('error', () => {})
        call.close(constants.NGHTTP2_CANCEL)
        if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await works()
      session.destroy()
    })
  })

  it('that reuses another peer’s token is not paired with it', async () => {
    await withVictim({ handshakeTimeoutMs: 100 }, async ({ port, accepted }) => {
      const [mine, theirs] = [await handshake(port, 'h2'), await handshake(port, reverseProtocol)]
      const session = connectHttp2('https://peer', { createConnection: () => mine })
      session.on('error', () => {})
      const token = Buffer.alloc(32, 7)
      const call = session.request({ ...post(openPath), [tokenKey]: token.toString('base64url') })
      call.on('error', () => {})
      call.resume()
      theirs.write(token)
      theirs.resume()
      await Promise.all([once(session, 'close'), once(theirs, 'close')])
      assert.equal(accepted.length, 0)
    })
  })
})

describe('a peer that stops answering', () => {
  it('is lost after the probe’s time-out', async () => {
    const silent = createIdentity()
    const { certificate, privateKey } = createCredentials(silent)
    // It completes TLS and HTTP/2's beginning by hand, and then answers nothing.
    const server = createServer({
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', reverseProtocol],
    })
    const sockets: TLSSocket[] = []
    server.on('secureConnection', (socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.resume()
      if (socket.alpnProtocol !== 'h2') return
      socket.write(frame(4, Buffer.alloc(0)))
      // Headers `:status: 200` (indexed) and grpc-status: 0 (literal), end of stream.
      const literal = (text: string) => Buffer.from([text.length, ...Buffer.from(text)])
      const headers = [Buffer.from([0x88, 0x00]), literal('grpc-status'), literal('0')]
      const answer = frame(1, Buffer.concat(headers), 5)
      socket.once('data', () => socket.write(answer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const bound = server.address()
    assert.ok(bound !== null && typeof bound === 'object')
    const clock = new ManualClock()
    const options = { ...modules, clock, identity: createIdentity() }
    const transport = createTlsTransport(options, { onStream: (stream) => stream.cancel() })
    const connection = await transport.dial(`127.0.0.1:${bound.port}`, silent.id)
    const stream = await connection.open({ ':path': health })
    const failed = assert.rejects(stream.trailers, (error) => hasCode(error, 'connection_lost'))
    clock.advance(transportLimits.probeTimeoutMs + transportLimits.probeIntervalMs)
    assert.equal((await connection.closed).kind satisfies CloseReason['kind'], 'lost')
    await failed
    for (const socket of sockets) socket.destroy()
    server.close()
    await transport.close()
  })
})

interface Victim {
  readonly port: number
  readonly accepted: Connection[]
  /** Whether an honest peer is still served. */
  works(): Promise<void>
  close(): Promise<void>
}

async function withVictim(
  options: { readonly handshakeTimeoutMs?: number },
  body: (victim: Victim) => Promise<void>,
): Promise<void> {
  const accepted: Connection[] = []
  const onStream = serveCalls({ [health]: healthHandler(() => true) }, modules)
  const victim = createTlsTransport(
    { identity: createIdentity(), ...modules, ...options },
    { onStream, onConnection: (connection) => accepted.push(connection) },
  )
  const honest = createTlsTransport({ identity: createIdentity(), ...modules }, { onStream })
  try {
    const { address } = await victim.listen('127.0.0.1:0')
    const works = async () => {
      const connection = await honest.dial(address, victim.self)
      assert.deepEqual([...(await callUnary(connection, health, new Uint8Array()))], [8, 1])
    }
    await body({
      port: Number(address.split(':')[1]),
      accepted,
      works,
      close: () => victim.close(),
    })
  } finally {
    await Promise.all([victim.close(), honest.close()])
  }
}

/** A TLS connection with a key of its own. */
async function handshake(port: number, protocol: string): Promise<TLSSocket> {
  const { certificate, privateKey } = createCredentials(createIdentity())
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    cert: certificate,
    key: privateKey,
    rejectUnauthorized: false,
    ALPNProtocols: [protocol],
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

async function http2(port: number): Promise<ClientHttp2Session> {
  const socket = await handshake(port, 'h2')
  return connectHttp2('https://peer', { createConnection: () => socket })
}

function post(path: string) {
  return { ':path': path, ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
}

async function statusOf(session: ClientHttp2Session, bytes: Buffer): Promise<string> {
  const call = session.request(post(health))
  let status = ''
  const note = (headers: { 'grpc-status'?: string }) => {
    status = headers['grpc-status'] ?? status
  }
  call.on('response', note)
  call.on('trailers', note)
  call.on('error', () => {})
  call.resume()
  call.end(bytes)
  await once(call, 'close')
  return status
}

/** An HTTP/2 frame (RFC 9113 §4.1). */
function frame(type: number, payload: Buffer, flags = 0): Buffer {
  // SETTINGS are of the connection, all else here of the first stream.
  const stream = type === 4 ? 0 : 1
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}
