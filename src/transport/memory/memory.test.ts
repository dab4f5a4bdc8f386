import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock, seededRandom, systemClock } from '../../base/index.ts'
import { hasCode, type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { describeTransport } from '../transport.contract.ts'
import type { Connection, Stream, Transport } from '../transport.ts'
import { MemoryConnection } from './connection.ts'
import { MemoryNetwork } from './network.ts'

function idOf(n: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(n))
}

describeTransport('memory', () => {
  const network = new MemoryNetwork({ clock: systemClock, random: seededRandom(1) })
  const made: Transport[] = []
  return {
    transport(events) {
      const transport = network.transport(idOf(made.length + 1), events)
      made.push(transport)
      return transport
    },
    strangersId: idOf(99),
    sever(...connections) {
      for (const connection of connections) {
        assert.ok(connection instanceof MemoryConnection)
        connection.lose('severed')
      }
    },
    async close() {
      await Promise.all(made.map((transport) => transport.close()))
    },
  }
})

describe('a simulated network', () => {
  it('delays by the link, the same way for the same seed', async () => {
    const [a, b] = [await echoTimes(7), await echoTimes(7)]
    assert.deepEqual(a, b)
    for (const time of a) assert.ok(time >= 80 && time <= 2 * (40 + 10), `${time} ms`)
    assert.notDeepEqual(a, await echoTimes(8))
  })

  it('keeps order under loss, and pays for it with time', async () => {
    const { clock, dialled, link } = await connect(3)
    link({ delayMs: 5, jitterMs: 20, loss: 0.3 })
    const stream = await dialled.open({})
    const start = clock.monotonic()
    for (let i = 0; i < 50; i += 1) await stream.send(Uint8Array.of(i))
    void stream.end()
    const received: number[] = []
    const reading = (async () => {
      for await (const batch of stream.messages()) received.push(...batch.map(([i]) => i ?? -1))
    })()
    await clock.advanceAsync(60_000)
    await reading
    assert.deepEqual(
      received,
      Array.from({ length: 50 }, (_, i) => i),
    )
    assert.ok(clock.monotonic() - start > 200)
  })

  it('measures the link: round trip, jitter and loss', async () => {
    const { clock, dialled, link } = await connect(4)
    link({ delayMs: 30, jitterMs: 0, loss: 0 })
    await clock.advanceAsync(200_000)
    const { roundTripMs = 0, roundTripMinMs, loss } = dialled.link()
    assert.ok(Math.abs(roundTripMs - 60) < 1, `${roundTripMs}`)
    assert.equal(roundTripMinMs, 60)
    assert.equal(loss, 0)
    link({ delayMs: 30, jitterMs: 0, loss: 0.2 })
    await clock.advanceAsync(200_000)
    const lossy = dialled.link().loss ?? 0
    assert.ok(lossy > 0.1 && lossy < 0.7, `${lossy}`)
  })

  it('a short partition only delays', async () => {
    const { clock, dialled, network, ids } = await connect(5)
    const stream = await dialled.open({})
    network.partition(...ids)
    await stream.send(Uint8Array.of(1))
    void stream.end()
    const first = stream.messages()[Symbol.asyncIterator]().next()
    await clock.advanceAsync(5_000)
    network.heal(...ids)
    await clock.advanceAsync(2_000)
    const { value } = await first
    assert.deepEqual(
      [...(value ?? [])].map((message: Uint8Array) => [...message]),
      [[1]],
    )
  })

  it('a long partition loses the connection on both sides, and dials time out', async () => {
    const { clock, dialled, accepted, network, ids, dial } = await connect(6)
    const stream = await dialled.open({})
    network.partition(...ids)
    const again = assert.rejects(dial(), (error) => hasCode(error, 'peer_unreachable'))
    await clock.advanceAsync(15_000)
    assert.equal((await dialled.closed).kind, 'lost')
    assert.equal((await accepted.closed).kind, 'lost')
    assert.ok(hasCode(stream.signal.reason, 'connection_lost'))
    await again
  })
})

async function connect(seed: number) {
  const clock = new ManualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(seed) })
  const ids = [idOf(1), idOf(2)] as const
  const accepting = Promise.withResolvers<Connection>()
  const onStream = (stream: Stream) => void echo(stream)
  const listener = network.transport(ids[1], { onStream, onConnection: accepting.resolve })
  const dialler = network.transport(ids[0], { onStream })
  const { address } = await listener.listen('memory:0')
  const dial = () => dialler.dial(address, listener.self)
  const dialled = await dial()
  const accepted = await accepting.promise
  const link = (options: { delayMs: number; jitterMs: number; loss: number }) =>
    network.link(ids[0], ids[1], options)
  return { clock, network, ids, dialled, accepted, link, dial }
}

async function echo(stream: Stream): Promise<void> {
  try {
    for await (const batch of stream.messages()) {
      for (const message of batch) await stream.send(message)
    }
    await stream.end()
  } catch {
    // The connection was lost: what the test is about.
  }
}

/** How long ten echoes take over a link of 40 ms and up to 10 ms more each way. */
async function echoTimes(seed: number): Promise<number[]> {
  const { clock, dialled, link } = await connect(seed)
  link({ delayMs: 40, jitterMs: 10, loss: 0 })
  const times: number[] = []
  const stream = await dialled.open({})
  const reader = stream.messages()[Symbol.asyncIterator]()
  for (let i = 0; i < 10; i += 1) {
    const start = clock.monotonic()
    await stream.send(Uint8Array.of(i))
    const answer = reader.next().then(() => times.push(clock.monotonic() - start))
    await clock.advanceAsync(150)
    await answer
  }
  return times
}
