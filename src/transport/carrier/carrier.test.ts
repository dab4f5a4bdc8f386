/** A peer that speaks frames by hand to the carrier of an honest one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../../base/index.ts'
import { hasCode } from '../../protocol/index.ts'
import { type Metadata, type Stream, transportLimits } from '../transport.ts'
import { Carrier } from './carrier.ts'
import { type FrameReader, FrameWriter, frameKinds, readFrames, resetCodes } from './frames.ts'
import { carrierLimits, costOf } from './limits.ts'

const { open, message, piece, end, trailers, reset, credit } = frameKinds

describe('the accepting end of a carrier', () => {
  it('hands out a call, its messages and its end, and answers in one message', async () => {
    const { calls, say, heard } = acceptor()
    say((to) => {
      to.metadata(open, 1, { ':path': '/t.T/A', 'x-note': 'a, b' })
      to.bytes(piece, 1, Buffer.from('he'))
      to.bytes(message, 1, Buffer.from('llo'))
      to.plain(end, 1, 0)
    })
    const call = only(calls)
    assert.deepEqual({ ...call.metadata }, { ':path': '/t.T/A', 'x-note': 'a, b' })
    assert.deepEqual(await texts(call), ['hello'])
    await call.send(Buffer.from('world'))
    await call.end({ 'grpc-status': '0' })
    const messages = await heard()
    assert.equal(messages.length, 1)
    assert.deepEqual(framesOf(messages), ['message 1 world', 'trailers 1 {"grpc-status":"0"}'])
  })

  it('a message is at a multiple of 8 bytes in memory of its own', async () => {
    const { calls, say } = acceptor()
    const bytes = Buffer.from('x'.repeat(13))
    say((to) => {
      to.metadata(open, 1, {})
      for (let i = 0; i < 5; i += 1) to.bytes(message, 1, bytes)
      to.plain(end, 1, 0)
    })
    for await (const batch of only(calls).messages()) {
      for (const each of batch) assert.equal(each.byteOffset % 8, 0)
    }
  })

  it('a call given up by its peer aborts, and late frames for it are no breach', () => {
    const { calls, say, breaches } = acceptor()
    say((to) => to.metadata(open, 1, {}))
    const { signal } = only(calls)
    say((to) => to.plain(reset, 1, resetCodes.cancelled))
    assert.ok(hasCode(signal.reason, 'cancelled'))
    say((to) => {
      to.bytes(message, 1, Buffer.from('late'))
      to.plain(credit, 1, 5)
      to.plain(end, 1, 0)
      to.plain(reset, 1, 0)
    })
    assert.deepEqual(breaches, [])
  })

  it('breaks with a peer that breaks the rules, and says which', () => {
    const tooMuch = Math.ceil(carrierLimits.callWindow / costOf(0)) + 1
    const cases: Readonly<Record<string, (to: FrameWriter) => void>> = {
      'no kind 9': (to) => to.plain(9, 1, 0),
      'used before': (to) => {
        to.metadata(open, 2, {})
        to.metadata(open, 2, {})
      },
      'no such call': (to) => to.bytes(message, 7, Buffer.from('x')),
      'beyond the call’s window': (to) => {
        to.metadata(open, 1, {})
        for (let i = 0; i < tooMuch; i += 1) to.bytes(message, 1, Buffer.alloc(0))
      },
      'message after the end': (to) => {
        to.metadata(open, 1, {})
        to.plain(end, 1, 0)
        to.bytes(message, 1, Buffer.from('x'))
      },
      'empty piece': (to) => {
        to.metadata(open, 1, {})
        to.bytes(piece, 1, Buffer.alloc(0))
      },
      'credit for nothing': (to) => {
        to.metadata(open, 1, {})
        to.plain(credit, 1, 1)
      },
      'trailers from the opener': (to) => {
        to.metadata(open, 1, {})
        to.metadata(trailers, 1, {})
      },
      'without its end': (to) => to.bytes(open, 1, Buffer.from('key\0value')),
      'cannot be a key': (to) => to.metadata(open, 1, { 'Upper Case': '' }),
    }
    for (const [what, write] of Object.entries(cases)) {
      const { say, breaches, calls } = acceptor()
      say(write)
      assert.equal(breaches.length, 1, what)
      assert.ok(breaches[0]?.includes(what), `${what}: ${breaches[0]}`)
      for (const call of calls) assert.ok(call.signal.aborted, what)
    }
  })

  it('breaks with a peer that fills the window of all calls', () => {
    const { say, breaches } = acceptor()
    const bytes = Buffer.alloc(carrierLimits.pieceBytesMax)
    const perCall = Math.floor(carrierLimits.callWindow / costOf(bytes.length))
    for (let id = 1; breaches.length === 0 && id < 100; id += 1) {
      say((to) => {
        to.metadata(open, id, {})
        for (let i = 0; i < perCall; i += 1) to.bytes(message, id, bytes)
      })
    }
    assert.match(breaches[0] ?? '', /window of all calls/)
  })

  it('what a call leaves unread at its end is room for others again', async () => {
    const { calls, say, breaches } = acceptor()
    const bytes = Buffer.alloc(carrierLimits.callWindow / 2)
    for (let id = 1; id <= 100; id += 1) {
      say((to) => {
        to.metadata(open, id, {})
        to.bytes(message, id, bytes)
      })
      await calls.pop()?.end()
    }
    assert.deepEqual(breaches, [])
  })

  it('refuses a call where there is no room, and throws out who insists', async () => {
    const { say, heard, breaches } = acceptor({ hasRoom: () => false })
    say((to) => to.metadata(open, 1, {}))
    assert.deepEqual(framesOf(await heard()), ['reset 1 1'])
    for (let id = 2; id <= carrierLimits.resetBurst; id += 1) say((to) => to.metadata(open, id, {}))
    assert.deepEqual(breaches, [])
    say((to) => to.metadata(open, carrierLimits.resetBurst + 1, {}))
    assert.match(breaches[0] ?? '', /gives up too many calls/)
  })

  it('throws out who gives calls up in rapid order, and forgives it over time', () => {
    const { say, breaches, clock } = acceptor()
    let id = 0
    const rapidly = (count: number) => {
      for (let i = 0; i < count; i += 1) {
        id += 1
        say((to) => {
          to.metadata(open, id, {})
          to.plain(reset, id, resetCodes.cancelled)
        })
      }
    }
    rapidly(carrierLimits.resetBurst)
    clock.advance(1_000)
    rapidly(carrierLimits.resetRate)
    assert.deepEqual(breaches, [])
    rapidly(1)
    assert.equal(breaches.length, 1)
  })

  it('a message over what may be unfinished fails its own call only', async () => {
    const { calls, say, breaches } = acceptor({ assemblyBytesMax: 20_000 })
    const bytes = Buffer.alloc(carrierLimits.pieceBytesMax)
    say((to) => {
      to.metadata(open, 1, {})
      to.metadata(open, 2, {})
      for (let i = 0; i < 3; i += 1) to.bytes(piece, 1, bytes)
      to.bytes(message, 1, bytes)
      to.bytes(message, 2, Buffer.from('fine'))
      to.plain(end, 2, 0)
    })
    const [first, second] = calls
    assert.ok(first !== undefined && second !== undefined)
    await assert.rejects(texts(first), (error) => hasCode(error, 'message_too_large'))
    assert.deepEqual(await texts(second), ['fine'])
    assert.deepEqual(breaches, [])
  })

  it('any bytes are frames or a breach, and nothing else', () => {
    const frame = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(5), fc.uint8Array())
    fc.assert(
      fc.property(fc.array(frame), fc.uint8Array({ maxLength: 20 }), (frames, rest) => {
        const { breaches, tell } = acceptor()
        const writer = new FrameWriter()
        for (const [kind, id, payload] of frames) writer.bytes(kind, id, payload)
        tell(Buffer.concat([writer.take(), rest]))
        assert.ok(breaches.length <= 1)
      }),
    )
  })
})

describe('the opening end of a carrier', () => {
  it('a call that waits for credit goes on when it comes', async () => {
    const { carrier, say, heard } = opener()
    const call = carrier.open({})
    assert.ok(call !== undefined)
    const bytes = new Uint8Array(carrierLimits.pieceBytesMax)
    const count = Math.ceil(carrierLimits.callWindow / costOf(bytes.length))
    let sent = 0
    const sending = (async () => {
      for (; sent < count + 1; sent += 1) await call.send(bytes)
      await call.end()
    })()
    await heard()
    await heard()
    assert.equal(sent, count - 1)
    for (let i = 0; i < 2; i += 1) {
      say((to) => to.plain(credit, 1, costOf(bytes.length)))
      await heard()
    }
    await sending
    assert.equal(framesOf(await heard()).at(-1), 'end 1 0')
  })

  it('messages of at most a batch each, however much waits', async () => {
    const { carrier, heard } = opener()
    const metadata = { 'x-long': 'a'.repeat(transportLimits.metadataBytesMax - 100) }
    const calls = Array.from({ length: 50 }, () => carrier.open(metadata))
    // No room: such a call gets a stream of its own.
    assert.ok(calls.includes(undefined))
    for (const call of calls) void call?.send(new Uint8Array(30_000)).catch(() => {})
    const lengths = (await heard()).map(({ length }) => length)
    assert.ok(lengths.length > 1)
    assert.ok(Math.max(...lengths) <= carrierLimits.batchBytesMax, String(lengths))
  })

  it('a large message lets small ones of other calls pass between its pieces', async () => {
    const { carrier, heard } = opener()
    const [large, small] = [carrier.open({}), carrier.open({})]
    assert.ok(large !== undefined && small !== undefined)
    void large.send(new Uint8Array(1024 * 1024)).catch(() => {})
    void small.send(Buffer.from('small')).catch(() => {})
    const frames = framesOf(await heard())
    const at = frames.indexOf('message 2 small')
    const pieces = frames.filter((text) => text.startsWith('piece 1')).length
    assert.ok(at >= 0 && pieces > 10 && at < 10, `${at} of ${frames.length}`)
  })

  it('answers to calls that never were, or calls from the acceptor, are breaches', () => {
    for (const write of [
      (to: FrameWriter) => to.bytes(message, 3, Buffer.from('x')),
      (to: FrameWriter) => to.metadata(trailers, 3, {}),
      (to: FrameWriter) => to.metadata(open, 1, {}),
      (to: FrameWriter) => to.plain(credit, 0, 1),
    ]) {
      const { carrier, say, breaches } = opener()
      const call = carrier.open({})
      say(write)
      assert.equal(breaches.length, 1)
      assert.ok(call?.signal.aborted)
    }
  })

  it('a refused call is busy, and the others go on', async () => {
    const { carrier, say, breaches } = opener()
    const [first, second] = [carrier.open({}), carrier.open({})]
    assert.ok(first !== undefined && second !== undefined)
    say((to) => {
      to.plain(reset, 1, resetCodes.refused)
      to.bytes(message, 2, Buffer.from('here'))
      to.metadata(trailers, 2, { 'grpc-status': '0' })
    })
    await assert.rejects(texts(first), (error) => hasCode(error, 'all_nodes_busy'))
    assert.deepEqual(await texts(second), ['here'])
    assert.deepEqual(breaches, [])
    assert.equal(carrier.size, 0)
  })
})

interface WorldOptions {
  readonly role?: 'opener' | 'acceptor'
  readonly hasRoom?: () => boolean
  readonly assemblyBytesMax?: number
}

const acceptor = (options: WorldOptions = {}) => makeWorld({ ...options, role: 'acceptor' })
const opener = (options: WorldOptions = {}) => makeWorld({ ...options, role: 'opener' })

/** A carrier whose stream is the test itself. */
function makeWorld({ role = 'acceptor', hasRoom = () => true, assemblyBytesMax }: WorldOptions) {
  const sent: Uint8Array[] = []
  const calls: Stream[] = []
  const breaches: string[] = []
  const clock = new ManualClock()
  const carrier = new Carrier(streamInto(sent), {
    role,
    clock,
    budget: { bytes: 0, bytesMax: assemblyBytesMax ?? transportLimits.assemblyBytesMax },
    connectionError: () => undefined,
    hasRoom,
    onCall: (call) => calls.push(call),
    onBreach: (detail) => breaches.push(detail),
  })
  const tell = (bytes: Uint8Array) => carrier.receive(bytes)
  const say = (write: (to: FrameWriter) => void) => {
    const writer = new FrameWriter()
    write(writer)
    while (writer.length > 0) tell(writer.take())
  }
  /** What it has sent once everything due has gone out. */
  const heard = async () => {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    return sent
  }
  return { carrier, calls, breaches, clock, say, tell, heard }
}

function streamInto(sent: Uint8Array[]): Stream {
  return {
    metadata: {},
    signal: new AbortController().signal,
    trailers: new Promise(() => {}),
    send: async (bytes) => void sent.push(Uint8Array.from(bytes)),
    end: async () => {},
    messages: () => assert.fail('not read here'),
    cancel: () => {},
  }
}

function framesOf(messages: readonly Uint8Array[]): string[] {
  const seen: string[] = []
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
  const reader: FrameReader = {
    onOpen: (id, metadata: Metadata) => seen.push(`open ${id} ${JSON.stringify(metadata)}`),
    onMessage: (id, bytes, isLast) =>
      seen.push(`${isLast ? 'message' : 'piece'} ${id} ${text(bytes)}`),
    onEnd: (id) => seen.push(`end ${id} 0`),
    onTrailers: (id, given) => seen.push(`trailers ${id} ${JSON.stringify(given)}`),
    onReset: (id, code) => seen.push(`reset ${id} ${code}`),
    onCredit: (id, cost) => seen.push(`credit ${id} ${cost}`),
  }
  for (const each of messages) readFrames(each, reader)
  return seen
}

function only(calls: readonly Stream[]): Stream {
  assert.equal(calls.length, 1)
  return calls[0] ?? assert.fail()
}

async function texts(call: Stream): Promise<string[]> {
  const all: string[] = []
  for await (const batch of call.messages()) {
    for (const each of batch) all.push(Buffer.from(each).toString())
  }
  return all
}
