// The load's own HTTP connection: it must notice the end of an answer however its bytes are cut.
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import fc from 'fast-check'
import { HttpConnection } from './http-connection.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A server that answers each request with the given pieces, one write per turn of the loop. */
async function serve(pieces: () => readonly string[], thenClose = false): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', () => writeAll(socket, pieces(), thenClose))
  })
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function writeAll(socket: Socket, pieces: readonly string[], thenClose: boolean): void {
  const [first, ...rest] = pieces
  if (first === undefined) {
    if (thenClose) socket.end()
    return
  }
  socket.write(first, () => setImmediate(() => writeAll(socket, rest, thenClose)))
}

function connection(port: number, ending: string): HttpConnection {
  const opened = new HttpConnection({ port, bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n'), ending })
  closing.push(() => opened.close())
  return opened
}

const sized = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a": 10}'
const chunked =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '9\r\ndata: 10\n\r\n10\r\n\ndata: [DONE]\n\n\n\r\n0\r\n\r\n'

test('an answer ends where its length or its last chunk says, however it is cut', async () => {
  let pieces: readonly string[] = []
  const port = await serve(() => pieces)
  const bySize = connection(port, '}')
  const byChunks = connection(port, 'data: [DONE]')
  const cuts = fc.uniqueArray(fc.nat({ max: chunked.length }), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(cuts, fc.boolean(), async (at, isChunked) => {
      const whole = isChunked ? chunked : sized
      const edges = [0, ...at.filter((cut) => cut < whole.length).sort((a, b) => a - b)]
      pieces = edges.map((edge, index) => whole.slice(edge, edges[index + 1])).filter(Boolean)
      await (isChunked ? byChunks : bySize).sendAsync()
    }),
    { numRuns: 60 },
  )
})

test('a stream that ends without its mark is a failure', async () => {
  const port = await serve(() => [chunked.replace('[DONE]', '[GONE]')])
  await assert.rejects(connection(port, 'data: [DONE]').sendAsync(), /does not end with/)
})

test('a status other than 200 is a failure', async () => {
  const port = await serve(() => [sized.replace('200 OK', '503 No')])
  await assert.rejects(connection(port, '}').sendAsync(), /status 503/)
})

test('a connection that closes early is a failure, the next request connects again', async () => {
  let pieces = [sized.slice(0, -2)]
  const port = await serve(() => pieces, true)
  const opened = connection(port, '}')
  await assert.rejects(opened.sendAsync(), /before the answer was complete/)
  pieces = [sized]
  await opened.sendAsync()
})

test('an answer without a length ends with its connection', async () => {
  const port = await serve(() => ['HTTP/1.1 200 OK\r\n\r\n{}'], true)
  await connection(port, '}').sendAsync()
})
