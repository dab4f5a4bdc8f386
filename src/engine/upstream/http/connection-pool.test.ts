/** Connections to a server that a test writes byte for byte. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { ManualClock } from '../../../base/index.ts'
import { createIdentity } from '../../../protocol/index.ts'
import { createCredentials } from '../../../transport/tls/certificate.ts'
import type { ResponseHandler } from './connection.ts'
import { ConnectionPool } from './connection-pool.ts'

const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** What a handler heard, and when it is over. */
class Heard implements ResponseHandler {
  status = 0
  body = ''
  error: Error | undefined
  readonly over: Promise<this>
  #settle = () => {}

  constructor() {
    this.over = new Promise((resolve) => {
      this.#settle = () => resolve(this)
    })
  }

  onHead({ status }: { readonly status: number }): void {
    this.status = status
  }
  onData(bytes: Buffer): void {
    this.body += bytes.toString()
  }
  onEnd(): void {
    this.#settle()
  }
  onError(error: Error): void {
    this.error = error
    this.#settle()
  }
}

interface Upstream {
  readonly sockets: Socket[]
  readonly requests: string[]
  readonly pool: ConnectionPool
  readonly clock: ManualClock
  ask(body?: string): Heard
}

/** @param serve called for each piece of a request that comes */
async function start(
  context: TestContext,
  serve: (socket: Socket, text: string) => void,
): Promise<Upstream> {
  const sockets: Socket[] = []
  const requests: string[] = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      requests.push(data.toString())
      serve(socket, data.toString())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clock = new ManualClock()
  const origin = { isTls: false, host: '127.0.0.1', port }
  const authority = `127.0.0.1:${port}`
  const pool = new ConnectionPool({ origin, authority, connectTimeoutMs: 1000, clock })
  context.after(() => {
    pool.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const ask = (body?: string) => {
    const heard = new Heard()
    const more = body === undefined ? {} : { body }
    pool.send(
      { method: body === undefined ? 'GET' : 'POST', path: '/x', fields: 'a: b\r\n', ...more },
      heard,
    )
    return heard
  }
  return { sockets, requests, pool, clock, ask }
}

test('a request is what it says, and the next one takes the same connection', async (t) => {
  const upstream = await start(t, (socket) => socket.write(answer))
  const { status, body } = await upstream.ask('żó').over
  assert.deepEqual([status, body], [200, 'ok'])
  await upstream.ask().over
  assert.equal(upstream.sockets.length, 1)
  const host = upstream.requests[0]?.match(/host: (127\.0\.0\.1:[0-9]+)/)?.[1]
  assert.deepEqual(upstream.requests, [
    `POST /x HTTP/1.1\r\nhost: ${host}\r\na: b\r\ncontent-length: 4\r\n\r\nżó`,
    `GET /x HTTP/1.1\r\nhost: ${host}\r\na: b\r\n\r\n`,
  ])
})

test('requests at once have connections of their own, kept for later', async (t) => {
  const upstream = await start(t, (socket) => socket.write(answer))
  await Promise.all([upstream.ask().over, upstream.ask().over, upstream.ask().over])
  assert.equal(upstream.sockets.length, 3)
  for (let i = 0; i < 5; i += 1) await upstream.ask().over
  assert.equal(upstream.sockets.length, 3)
  assert.ok(upstream.sockets.some((socket) => socket.bytesRead > 5 * 30))
})

test('a connection that waited long, or as long as its server keeps it, is not used', async (t) => {
  const kept = answer.replace('\r\n\r\n', '\r\nkeep-alive: timeout=10\r\n\r\n')
  let text = answer
  const upstream = await start(t, (socket) => socket.write(text))
  await upstream.ask().over
  upstream.clock.advance(3999)
  await upstream.ask().over
  assert.equal(upstream.sockets.length, 1)
  const [first] = upstream.sockets
  const closed = once(first as Socket, 'close')
  upstream.clock.advance(8000)
  await closed
  text = kept
  await upstream.ask().over
  upstream.clock.advance(8999)
  await upstream.ask().over
  assert.equal(upstream.sockets.length, 2)
  upstream.clock.advance(9000)
  await upstream.ask().over
  assert.equal(upstream.sockets.length, 3)
})

test('what a server says unasked ends its connection, and no request', async (t) => {
  const upstream = await start(t, (socket) => socket.write(answer))
  await upstream.ask().over
  const [socket] = upstream.sockets
  const closed = once(socket as Socket, 'close')
  socket?.write(answer)
  await closed
  const { body } = await upstream.ask().over
  assert.equal(body, 'ok')
  assert.equal(upstream.sockets.length, 2)
})

test('what follows a response ends the connection; the response counts', async (t) => {
  const upstream = await start(t, (socket) => socket.write(answer + answer))
  const { body, error } = await upstream.ask().over
  assert.deepEqual([body, error], ['ok', undefined])
  assert.equal((await upstream.ask().over).body, 'ok')
  assert.equal(upstream.sockets.length, 2)
})

test('a server that ends or breaks its connection is told as a failure', async (t) => {
  const upstream = await start(t, (socket, text) => {
    if (text.startsWith('GET')) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok')
    else socket.resetAndDestroy()
  })
  const ended = await upstream.ask().over
  assert.match(String(ended.error), /ended before the response was complete/)
  const reset = await upstream.ask('x').over
  assert.match(String(reset.error), /ECONNRESET/)
})

test('a response that comes before its request was sent in full ends the connection', async (t) => {
  const upstream = await start(t, (socket) => {
    socket.pause()
    socket.write('HTTP/1.1 413 No\r\ncontent-length: 0\r\n\r\n')
  })
  const heard = await upstream.ask('x'.repeat(32 * 1024 * 1024)).over
  assert.equal(heard.status, 413)
  await upstream.ask().over
  assert.equal(upstream.sockets.length, 2)
})

test('who gives up hears nothing more, and the server sees the connection go', async (t) => {
  const upstream = await start(t, () => {})
  const heard = new Heard()
  const request = { method: 'GET' as const, path: '/x', fields: '' }
  const connection = upstream.pool.send(request, heard)
  while (upstream.requests.length === 0) await new Promise(setImmediate)
  const gone = once(upstream.sockets[0] as Socket, 'close')
  connection.destroy()
  await gone
  assert.deepEqual([heard.status, heard.error], [0, undefined])
})

test('a paused response waits in its connection', async (t) => {
  const size = 8 * 1024 * 1024
  const upstream = await start(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
    socket.write('x'.repeat(size))
  })
  const heard = new Heard()
  const request = { method: 'GET' as const, path: '/x', fields: '' }
  const connection = upstream.pool.send(request, heard)
  while (heard.body.length === 0) await new Promise(setImmediate)
  connection.pause()
  const atPause = heard.body.length
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
  assert.ok(heard.body.length - atPause <= 64 * 1024, String(heard.body.length - atPause))
  connection.resume()
  await heard.over
  assert.equal(heard.body.length, size)
})

test('a connection that cannot be made in time is a failure', async (t) => {
  const upstream = await start(t, (socket) => socket.write(answer))
  const heard = upstream.ask()
  upstream.clock.advance(1000)
  assert.match(String((await heard.over).error), /no connection within 1000 ms/)
})

test('over TLS: a certificate is checked, and then all is as without', async (t) => {
  const { certificate, privateKey } = createCredentials(createIdentity())
  const server = createTlsServer({ cert: certificate, key: privateKey }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.write(answer))
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const origin = { isTls: true, host: '127.0.0.1', port }
  const more = { authority: 'x', connectTimeoutMs: 1000, clock: new ManualClock() }
  const pool = new ConnectionPool({ origin, ...more })
  t.after(() => {
    pool.close()
    server.close()
  })
  const ask = () => {
    const heard = new Heard()
    pool.send({ method: 'GET', path: '/x', fields: '' }, heard)
    return heard.over
  }
  assert.match(String((await ask()).error), /certificate/)
  // Node warns of what follows, once; only that is kept off the screen.
  t.mock.method(process, 'emitWarning', (warning: string) => {
    assert.match(warning, /NODE_TLS_REJECT_UNAUTHORIZED/)
  })
  // As an operator may set it for a server of their own.
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'])
  for (let i = 0; i < 3; i += 1) assert.equal((await ask()).body, 'ok')
})

test('closing tells whoever waits, and nothing can be asked any more', async (t) => {
  const upstream = await start(t, () => {})
  const heard = upstream.ask()
  while (upstream.requests.length === 0) await new Promise(setImmediate)
  upstream.pool.close()
  assert.match(String((await heard.over).error), /are closed/)
  assert.throws(() => upstream.ask(), /are closed/)
})

test('a connection that broke is not taken, also before its end is told', async (t) => {
  for (const isActiveFirst of [true, false]) {
    const upstream = await start(t, (socket, text) => {
      if (text.startsWith('GET')) socket.write(answer)
    })
    await Promise.all([upstream.ask().over, upstream.ask().over])
    const active = upstream.ask('x')
    while (upstream.requests.length < 3) await new Promise(setImmediate)
    const isActive = (socket: Socket) => socket.bytesRead > 60
    const [one, other] = upstream.sockets as [Socket, Socket]
    const sorted = isActive(one) === isActiveFirst ? [one, other] : [other, one]
    for (const socket of sorted) socket.resetAndDestroy()
    let next: Heard | undefined
    active.onError = () => {
      next = upstream.ask()
    }
    while (next === undefined) await new Promise(setImmediate)
    assert.equal((await next.over).error, undefined)
  }
})

test('the rest of a response that nobody reads is waited for, but not for long', async (t) => {
  const upstream = await start(t, (socket) => socket.write(answer.slice(0, -1)))
  const leave = async () => {
    const heard = new Heard()
    const request = { method: 'GET' as const, path: '/x', fields: '' }
    const connection = upstream.pool.send(request, heard)
    while (heard.body === '') await new Promise(setImmediate)
    connection.pause()
    upstream.pool.leave(connection)
    return heard
  }
  const left = await leave()
  upstream.sockets[0]?.write('k')
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  await leave()
  assert.equal(upstream.sockets.length, 1)
  assert.deepEqual([left.body, left.error], ['o', undefined])
  const closed = once(upstream.sockets[0] as Socket, 'close')
  upstream.clock.advance(8000)
  await closed
})
