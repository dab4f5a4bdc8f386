import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { describe, it } from 'node:test'
import {
  ManualClock,
  secureRandom,
  seededRandom,
  silentLog,
  systemClock,
} from '../../base/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { healthHandler } from '../calls/health.ts'
import { serveCalls } from '../calls/incoming.ts'
import { callUnary } from '../calls/outgoing.ts'
import { createTlsTransport } from '../tls/tls-transport.ts'
import { emulateWideArea } from './wide-area.ts'

describe('emulation of the wide area', () => {
  it('delays bytes both ways, and the first ones by the handshake too', async () => {
    const { clock, near, far } = path({ oneWayDelayMs: 50, jitterMs: 0 })
    const [atNear, atFar] = [arrivals(clock, near), arrivals(clock, far)]
    near.write('a')
    await clock.advanceAsync(400)
    near.write('b')
    far.write('c')
    await clock.advanceAsync(400)
    assert.deepEqual(atFar, [
      ['a', 150],
      ['b', 450],
    ])
    assert.deepEqual(atNear, [['c', 450]])
  })

  it('keeps the order under jitter', async () => {
    const { clock, near, far } = path({ oneWayDelayMs: 20, jitterMs: 40 })
    const seen = arrivals(clock, far)
    for (let i = 0; i < 50; i += 1) {
      near.write(`${i};`)
      await clock.advanceAsync(3)
    }
    await clock.advanceAsync(1_000)
    const sent = Array.from({ length: 50 }, (_, i) => `${i};`).join('')
    assert.equal(seen.map(([text]) => text).join(''), sent)
    assert.ok(new Set(seen.map(([, at]) => at)).size > 10)
  })

  it('closes once the real socket has ended and closed', async () => {
    const { clock, near, far, socket } = path({ oneWayDelayMs: 50, jitterMs: 0 })
    let closed = false
    near.on('close', () => {
      closed = true
    })
    near.resume()
    // As a socket does when the peer's process dies: an orderly end, then nothing can be sent.
    socket.on('end', () => socket.destroy())
    far.end()
    await clock.advanceAsync(200)
    assert.equal(closed, true)
  })

  it('ends in order: the last bytes arrive, then the end', async () => {
    const { clock, near, far } = path({ oneWayDelayMs: 50, jitterMs: 0 })
    const seen = arrivals(clock, far)
    let ended = false
    far.on('end', () => {
      ended = true
    })
    near.end('last')
    await clock.advanceAsync(149)
    assert.equal(ended, false)
    await clock.advanceAsync(2)
    assert.deepEqual(seen, [['last', 150]])
    assert.equal(ended, true)
  })

  it('stops the writer when the path is full', async () => {
    const { clock, near, far } = path({ oneWayDelayMs: 50, jitterMs: 0 })
    let written = 0
    const piece = Buffer.alloc(1024 * 1024)
    const writing = (async () => {
      for (; written < 64; written += 1) {
        await new Promise<void>((resolve) => void near.write(piece, () => resolve()))
      }
    })()
    await clock.advanceAsync(5_000)
    assert.ok(written < 32, `${written} MiB left the writer although nobody reads`)
    far.resume()
    for (let turn = 0; written < 64 && turn < 200; turn += 1) await clock.advanceAsync(60)
    await writing
  })

  it('carries TLS and HTTP/2: probes and calls feel the path', async () => {
    const handlers = { '/grpc.health.v1.Health/Check': healthHandler(() => true) }
    const modules = { log: silentLog, clock: systemClock, random: secureRandom }
    const onStream = serveCalls(handlers, modules)
    const server = createTlsTransport({ identity: createIdentity(), ...modules }, { onStream })
    const decorateSocket = emulateWideArea({
      oneWayDelayMs: 10,
      jitterMs: 1,
      random: seededRandom(1),
      clock: systemClock,
    })
    const options = { identity: createIdentity(), ...modules, decorateSocket }
    const client = createTlsTransport(options, { onStream })
    try {
      const { address } = await server.listen('127.0.0.1:0')
      const connection = await client.dial(address, server.self)
      const answer = await callUnary(connection, '/grpc.health.v1.Health/Check', new Uint8Array())
      assert.deepEqual([...answer], [8, 1])
      // Dialling and calling took longer than a probe, so one has been answered.
      assert.ok((connection.link().roundTripMinMs ?? 0) >= 19)
    } finally {
      await client.close()
      await server.close()
    }
  })
})

/** A path whose far end is one end of a pair in memory, on a clock that only the test moves. */
function path(delay: { oneWayDelayMs: number; jitterMs: number }) {
  const clock = new ManualClock()
  const [socket, far] = duplexPair()
  const decorate = emulateWideArea({ ...delay, clock, random: seededRandom(5) })
  assert.ok(!(socket instanceof Socket)) // a pair has all that the emulation uses of a socket
  const near = decorate(socket as Socket)
  return { clock, near, far, socket }
}

function arrivals(clock: ManualClock, stream: Duplex): [string, number][] {
  const seen: [string, number][] = []
  stream.on('data', (bytes: Buffer) => seen.push([bytes.toString(), Math.round(clock.monotonic())]))
  return seen
}
