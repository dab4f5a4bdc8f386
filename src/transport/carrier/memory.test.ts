/** What a carrier keeps is bounded by what waits, and ends give back what they took. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from '../../base/index.ts'
import { type Stream, transportLimits } from '../transport.ts'
import { Assembly } from './assembly.ts'
import { Carrier } from './carrier.ts'
import { FrameWriter, frameKinds, resetCodes } from './frames.ts'
import { carrierLimits, costOf } from './limits.ts'

const { open, message, piece, trailers, reset } = frameKinds

describe('memory of frames that go out', () => {
  it('stays small while there is always more to send', () => {
    const writer = new FrameWriter()
    const bytes = new Uint8Array(carrierLimits.pieceBytesMax)
    let sent = 0
    let largest = 0
    for (let turn = 0; turn < 300; turn += 1) {
      while (writer.length < carrierLimits.batchBytesMax) {
        bytes[0] = sent % 251
        writer.bytes(piece, 1, bytes)
        sent += 1
      }
      largest = Math.max(largest, writer.take().buffer.byteLength)
    }
    assert.ok(largest <= 8 * carrierLimits.batchBytesMax, String(largest))
  })

  it('loses nothing of what waits when it is used again', () => {
    const writer = new FrameWriter()
    const taken: number[] = []
    const takeOne = () => {
      const batch = writer.take()
      for (let at = 0; at < batch.length; at += 20_011) taken.push(batch[at + 11] ?? -1)
    }
    for (let i = 0; i < 200; i += 1) {
      writer.bytes(piece, 1, new Uint8Array(20_000).fill(i))
      if (writer.length > 150_000) takeOne()
    }
    while (writer.length > 0) takeOne()
    assert.deepEqual(
      taken,
      Array.from({ length: 200 }, (_, i) => i),
    )
  })

  it('is given back after a flood', () => {
    const writer = new FrameWriter()
    for (let i = 0; i < 200; i += 1) writer.bytes(message, 1, new Uint8Array(16_000))
    while (writer.length > 0) writer.take()
    writer.plain(reset, 1, 0)
    assert.ok(writer.take().buffer.byteLength < 100_000)
  })
})

describe('memory of messages that come in', () => {
  it('no piece of an unfinished message holds memory of others', () => {
    const budget = { bytes: 0, bytesMax: transportLimits.assemblyBytesMax }
    const assembly = new Assembly(budget)
    const byte = Uint8Array.of(1)
    const addPiece = () => void assembly.add(byte, { isLast: false, isKept: false })
    assert.equal(pooledBytes(addPiece), 0)
  })

  it('what a call leaves unread holds no memory of others', async () => {
    const { carrier, calls } = makeWorld('acceptor')
    say(carrier, (to) => {
      to.metadata(open, 1, {})
      to.bytes(message, 1, Buffer.from('x'))
    })
    const reader = calls[0]?.messages()[Symbol.asyncIterator]()
    assert.equal((await reader?.next())?.value?.length, 1)
    say(carrier, (to) => {
      for (let i = 0; i < 100; i += 1) to.bytes(message, 1, Buffer.from('x'))
    })
    const batch = ((await reader?.next())?.value ?? []) as readonly Uint8Array[]
    assert.equal(batch.length, 100)
    const pooled = batch.filter(({ buffer }) => buffer.byteLength > 8)
    assert.equal(pooled.length, 0)
  })

  it('a call given up by its caller leaves the window of all calls as it was', () => {
    const { carrier, breaches } = makeWorld('acceptor')
    const bytes = Buffer.alloc(carrierLimits.pieceBytesMax)
    const rounds = Math.ceil((2 * carrierLimits.window) / costOf(bytes.length))
    for (let id = 1; id <= rounds; id += 1) {
      say(carrier, (to) => {
        to.metadata(open, id, {})
        to.bytes(message, id, bytes)
        to.plain(reset, id, resetCodes.cancelled)
      })
    }
    assert.deepEqual(breaches, [])
  })

  it('a caller that leaves an answer unread leaves the window of all calls as it was', () => {
    const { carrier, breaches } = makeWorld('opener')
    const bytes = Buffer.alloc(carrierLimits.pieceBytesMax)
    const rounds = Math.ceil((2 * carrierLimits.window) / costOf(bytes.length))
    for (let id = 1; id <= rounds; id += 1) {
      const call = carrier.open({})
      say(carrier, (to) => {
        to.bytes(message, id, bytes)
        to.metadata(trailers, id, {})
      })
      call?.cancel()
    }
    assert.deepEqual(breaches, [])
  })
})

it('who has said all is told so when the peer answers before it has heard all', async () => {
  const { carrier } = makeWorld('opener')
  const call = carrier.open({})
  assert.ok(call !== undefined)
  call.send(new Uint8Array(2 * carrierLimits.callWindow)).catch(() => {})
  const said = call.end()
  say(carrier, (to) => to.metadata(trailers, 1, { 'grpc-status': '8' }))
  await said
})

/** How much of Node's pool it takes. */
function pooledBytes(take: () => void): number {
  for (;;) {
    const before = Buffer.allocUnsafe(8)
    take()
    const after = Buffer.allocUnsafe(8)
    // Otherwise the pool ended in between.
    if (before.buffer === after.buffer) return after.byteOffset - before.byteOffset - 8
  }
}

function say(carrier: Carrier, write: (to: FrameWriter) => void): void {
  const writer = new FrameWriter()
  write(writer)
  while (writer.length > 0) carrier.receive(writer.take())
}

function makeWorld(role: 'opener' | 'acceptor') {
  const calls: Stream[] = []
  const breaches: string[] = []
  const carrier = new Carrier(silentStream, {
    role,
    clock: new ManualClock(),
    budget: { bytes: 0, bytesMax: transportLimits.assemblyBytesMax },
    connectionError: () => undefined,
    hasRoom: () => true,
    onCall: (call) => calls.push(call),
    onBreach: (detail) => breaches.push(detail),
  })
  return { carrier, calls, breaches }
}

const silentStream: Stream = {
  metadata: {},
  signal: new AbortController().signal,
  trailers: new Promise(() => {}),
  send: async () => {},
  end: async () => {},
  messages: () => assert.fail('not read here'),
  cancel: () => {},
}
