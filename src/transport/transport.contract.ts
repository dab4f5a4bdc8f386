/**
 * What every transport adapter must do, as tests. An adapter's own test calls `describeTransport`
 * with a way to make transports that can reach each other.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasCode, IsochroneError } from '../protocol/index.ts'
import { type CloseReason, type Stream, transportLimits } from './transport.ts'
import { makePair, type Pair, type TransportWorld, takeNext } from './transport-pair.contract.ts'

type Body = (pair: Pair, world: TransportWorld) => Promise<void>

export type { TransportWorld }

export function describeTransport(name: string, makeWorld: () => TransportWorld): void {
  const test = (title: string, body: Body) =>
    it(title, async () => {
      const world = makeWorld()
      try {
        await body(await makePair(world), world)
      } finally {
        await world.close()
      }
    })
  describe(`${name}: the transport contract`, () => {
    describe('messages', () => describeMessages(test))
    describe('endings', () => describeEndings(test))
    describe('limits', () => describeLimits(test))
    describe('connections', () => describeConnections(test))
  })
}

type Test = (title: string, body: Body) => void

function describeMessages(test: Test): void {
  test('arrive whole and in order, in both directions', async (pair) => {
    const { opened, taken } = await pair.streams()
    const sent = Array.from({ length: 300 }, (_, i) => new Uint8Array(i * 7).fill(i))
    const back = collect(opened.messages())
    const [there] = await Promise.all([
      collect(taken.messages()),
      sendAll(opened, sent).then(() => opened.end()),
      sendAll(taken, sent),
    ])
    await taken.end()
    for (const received of [there, await back]) {
      assert.deepEqual(received.map(hex), sent.map(hex))
    }
  })

  test('pass from the side that was dialled too', async (pair) => {
    const { opened, taken } = await pair.reverseStreams()
    await opened.send(bytesOf('hello'))
    await opened.end()
    assert.deepEqual(await texts(taken), ['hello'])
    await taken.send(bytesOf('world'))
    await taken.end({ 'grpc-status': '0', note: 'seen' })
    assert.deepEqual(await texts(opened), ['world'])
    assert.equal((await opened.trailers)['note'], 'seen')
  })

  test('of 1 MiB and of no bytes arrive unchanged and aligned', async (pair) => {
    const { opened, taken } = await pair.streams()
    const large = new Uint8Array(1024 * 1024).map((_, i) => i * 31)
    const reading = collect(taken.messages())
    await sendAll(opened, [large, new Uint8Array(0), large])
    await opened.end()
    const received = await reading
    assert.deepEqual(
      received.map((message) => message.length),
      [large.length, 0, large.length],
    )
    assert.ok(Buffer.from(large).equals(received[2] ?? new Uint8Array()))
    for (const message of received) assert.equal(message.byteOffset % 8, 0)
  })

  test('are copies: memory that the sender reuses does not show at the reader', async (pair) => {
    const { opened, taken } = await pair.streams()
    const memory = bytesOf('first')
    const sending = opened.send(memory)
    memory.fill(0)
    await sending
    await opened.end()
    assert.deepEqual(await texts(taken), ['first'])
  })

  test('stop the writer while nobody reads them, and let it go on', async (pair) => {
    const { opened, taken } = await pair.streams()
    const piece = new Uint8Array(64 * 1024)
    const pieces = 256 // 16 MiB in all, far more than any window and buffer between the two
    let sent = 0
    const writing = (async () => {
      for (; sent < pieces; sent += 1) await opened.send(piece)
      await opened.end()
    })()
    const sentUnread = await settled(() => sent)
    assert.ok(sentUnread < pieces / 2, `${sentUnread} of ${pieces} pieces left the writer unread`)
    const received = await collect(taken.messages())
    await writing
    assert.equal(received.length, pieces)
  })

  test('of many streams at once do not mix', async (pair) => {
    const streams = await Promise.all(
      Array.from({ length: 200 }, () => pair.dialled.open({ n: '' })),
    )
    const answers = await Promise.all(
      streams.map(async (stream, i) => {
        await stream.send(bytesOf(`echo ${i}`))
        await stream.end()
        return texts(stream)
      }),
    )
    assert.deepEqual(
      answers,
      streams.map((_, i) => [`echo ${i}`]),
    )
  })
}

function describeEndings(test: Test): void {
  test('metadata and trailers arrive as they were given', async (pair) => {
    const metadata = { ':path': '/a.b/C', 'x-note': 'one, two', 'key-bin': 'AAEC' }
    const opened = await pair.dialled.open({ ...metadata, take: 'it' })
    const taken = await takeNext(pair.accepted)
    assert.deepEqual({ ...taken.metadata }, { ...metadata, take: 'it' })
    await taken.end({ 'grpc-status': '5', 'grpc-message': 'gone' })
    assert.deepEqual(await texts(opened), [])
    assert.deepEqual({ ...(await opened.trailers) }, { 'grpc-status': '5', 'grpc-message': 'gone' })
  })

  test('half-close: one side ends and still reads', async (pair) => {
    const { opened, taken } = await pair.streams()
    await opened.end()
    assert.deepEqual(await texts(taken), [])
    await taken.send(bytesOf('still here'))
    await taken.end()
    assert.deepEqual(await texts(opened), ['still here'])
    assert.deepEqual({ ...(await opened.trailers) }, { 'grpc-status': '0' })
  })

  test('the acceptor may end before the opener does', async (pair) => {
    const { opened, taken } = await pair.streams()
    await taken.send(bytesOf('enough'))
    await taken.end({ 'grpc-status': '8' })
    assert.deepEqual(await texts(opened), ['enough'])
    assert.equal((await opened.trailers)['grpc-status'], '8')
    await opened.send(bytesOf('too late, and no error'))
    await opened.end()
  })

  test('a cancel by the opener reaches the acceptor', async (pair) => {
    const { opened, taken } = await pair.streams()
    const aborted = onAbort(taken.signal)
    const reading = collect(taken.messages())
    opened.cancel('changed my mind')
    await rejectsWith(reading, 'cancelled')
    assert.ok(hasCode(await aborted, 'cancelled'))
    await rejectsWith(taken.send(bytesOf('x')), 'cancelled')
    await rejectsWith(opened.trailers, 'cancelled')
    assert.ok(opened.signal.aborted)
  })

  test('a cancel by the acceptor reaches the opener', async (pair) => {
    const { opened, taken } = await pair.streams()
    const reading = collect(opened.messages())
    taken.cancel()
    await rejectsWith(reading, 'cancelled')
    await rejectsWith(opened.trailers, 'cancelled')
    await rejectsWith(opened.send(bytesOf('x')), 'cancelled')
  })

  test('a cancel frees a writer that waits for room', async (pair) => {
    const { opened, taken } = await pair.streams()
    const writing = (async () => {
      for (;;) await opened.send(new Uint8Array(256 * 1024))
    })()
    taken.cancel()
    await rejectsWith(writing, 'cancelled')
  })

  test('a reader that leaves early cancels the stream', async (pair) => {
    const { opened, taken } = await pair.streams()
    await opened.send(bytesOf('one'))
    const aborted = onAbort(opened.signal)
    for await (const _ of taken.messages()) break
    assert.ok(hasCode(await aborted, 'cancelled'))
    await rejectsWith(opened.send(bytesOf('two')), 'cancelled')
  })
}

function describeLimits(test: Test): void {
  test('a message over the limit is refused where it is sent', async (pair) => {
    const { opened } = await pair.streams()
    const large = new Uint8Array(transportLimits.messageBytesMax + 1)
    await rejectsWith(opened.send(large), 'message_too_large')
    opened.cancel()
  })

  test('metadata over the limit, or not ASCII, is refused where it is sent', async (pair) => {
    const large = { 'x-large': 'a'.repeat(transportLimits.metadataBytesMax) }
    await rejectsWith(pair.dialled.open(large), 'message_too_large')
    await rejectsWith(pair.dialled.open({ 'x-text': 'zürich' }), 'malformed_message')
    await rejectsWith(pair.dialled.open({ 'X-Upper': 'a' }), 'malformed_message')
    await rejectsWith(pair.dialled.open({ 'x-lines': 'a\r\nb: c' }), 'malformed_message')
  })

  test('more streams than the limit are refused, and there is room again later', async (pair) => {
    const streams = await Promise.all(
      Array.from({ length: transportLimits.streamsPerConnectionMax }, () =>
        pair.dialled.open({ hold: '' }),
      ),
    )
    await rejectsWith(pair.dialled.open({ hold: '' }), 'all_nodes_busy')
    const [first] = streams
    assert.ok(first !== undefined)
    await first.end()
    await texts(first)
    await first.trailers
    await eventually(() => pair.dialled.open({ hold: '' }))
  })
}

function describeConnections(test: Test): void {
  test('each side knows the other', async ({ dialled, accepted, dialler, listener }) => {
    assert.equal(dialled.peer, listener.self)
    assert.equal(accepted.peer, dialler.self)
  })

  test('a probe measures the link', async ({ dialled, accepted }) => {
    for (const connection of [dialled, accepted]) {
      await eventually(async () => assert.ok(connection.link().samples > 0))
      const { roundTripMs = -1, roundTripMinMs = -1, loss } = connection.link()
      assert.ok(roundTripMs >= 0 && roundTripMinMs >= 0)
      assert.equal(loss, 0)
    }
  })

  test('another key than the expected one is refused', async (pair, world) => {
    const listening = await pair.listener.listen('127.0.0.1:0')
    const dialling = pair.dialler.dial(listening.address, world.strangersId)
    await rejectsWith(dialling, 'identity_mismatch')
  })

  test('a dial that nobody answers says so', async (pair) => {
    const listening = await pair.listener.listen('127.0.0.1:0')
    await listening.close()
    await rejectsWith(pair.dialler.dial(listening.address, undefined), 'peer_unreachable')
  })

  test('an address is taken once', async (pair) => {
    const { address } = await pair.listener.listen('127.0.0.1:0')
    await rejectsWith(pair.dialler.listen(address), 'address_in_use')
    await rejectsWith(pair.dialler.listen('no address'), 'invalid_configuration')
  })

  test('a dial can be cancelled', async (pair) => {
    const { address } = await pair.listener.listen('127.0.0.1:0')
    const dialling = pair.dialler.dial(address, undefined, AbortSignal.abort())
    await rejectsWith(dialling, 'cancelled')
  })

  test('a close is local here and remote there, and ends the streams', async (pair) => {
    const { opened, taken } = await pair.streams()
    const reading = collect(taken.messages())
    const waiting = opened.trailers
    const rejected = [reading, waiting].map((promise) => rejectsWith(promise, 'connection_lost'))
    await pair.dialled.close()
    await Promise.all(rejected)
    assert.deepEqual(await pair.dialled.closed, { kind: 'local' } satisfies CloseReason)
    assert.deepEqual(await pair.accepted.closed, { kind: 'remote' } satisfies CloseReason)
    await rejectsWith(pair.dialled.open({}), 'connection_lost')
    await rejectsWith(pair.accepted.open({}), 'connection_lost')
  })

  test('what was ended before a close arrives', async (pair) => {
    const { opened, taken } = await pair.streams()
    const reading = texts(opened)
    await taken.send(bytesOf('last words'))
    await taken.end({ 'grpc-status': '0', note: 'complete' })
    await pair.accepted.close()
    assert.deepEqual(await reading, ['last words'])
    assert.equal((await opened.trailers)['note'], 'complete')
  })

  test('a death rejects everything that waits, on both sides', async (pair, world) => {
    const { opened, taken } = await pair.streams()
    const { opened: opened2, taken: taken2 } = await pair.reverseStreams()
    const waiting = [opened, taken, opened2, taken2].map((stream) => collect(stream.messages()))
    world.sever(pair.dialled, pair.accepted)
    await Promise.all(waiting.map((reading) => rejectsWith(reading, 'connection_lost')))
    assert.equal((await pair.dialled.closed).kind, 'lost')
    assert.equal((await pair.accepted.closed).kind, 'lost')
    assert.ok(hasCode(opened.signal.reason, 'connection_lost'))
    await rejectsWith(opened2.send(bytesOf('x')), 'connection_lost')
  })

  test('a closed transport neither dials nor listens', async (pair) => {
    await pair.dialler.close()
    assert.equal((await pair.dialled.closed).kind, 'local')
    await rejectsWith(pair.dialler.listen('127.0.0.1:0'), 'cancelled')
    await rejectsWith(pair.dialler.dial('127.0.0.1:1', undefined), 'cancelled')
  })
}

async function sendAll(stream: Stream, messages: readonly Uint8Array[]): Promise<void> {
  for (const message of messages) await stream.send(message)
}

async function collect(messages: AsyncIterable<readonly Uint8Array[]>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for await (const batch of messages) all.push(...batch)
  return all
}

async function texts(stream: Stream): Promise<string[]> {
  return (await collect(stream.messages())).map((message) => Buffer.from(message).toString())
}

function hex(message: Uint8Array): string {
  return Buffer.from(message).toString('hex')
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function onAbort(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason)
    signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  })
}

async function rejectsWith(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof IsochroneError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  })
}

/** The value once it has not changed for many turns of the event loop. */
async function settled(read: () => number): Promise<number> {
  let last = read()
  for (let unchanged = 0; unchanged < 2_000; unchanged += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    if (read() !== last) unchanged = 0
    last = read()
  }
  return last
}

/** Tries again, turn of the event loop by turn, until it does not throw. */
async function eventually<T>(action: () => Promise<T>): Promise<T> {
  for (let turn = 0; ; turn += 1) {
    try {
      return await action()
    } catch (error) {
      if (turn > 20_000) throw error
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
