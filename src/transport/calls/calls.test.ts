import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { errorCodes, hasCode, IsochroneError, type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { MemoryNetwork } from '../memory/network.ts'
import { type Connection, type Stream, transportLimits } from '../transport.ts'
import { deadlineMsMax, formatTimeout, parseTimeout } from './deadline.ts'
import { healthHandler } from './health.ts'
import { type CallHandler, type IncomingCall, serveCalls } from './incoming.ts'
import { callUnary, type OutgoingCall, openCall } from './outgoing.ts'
import { errorTrailers, percentDecode, percentEncode, trailersError } from './status.ts'

describe('calls', () => {
  it('unary: one message there, one back, with metadata and the peer’s id', async () => {
    let seen: IncomingCall | undefined
    const { connection } = await connect({
      '/t.T/Upper': async (call) => {
        seen = call
        await call.send(
          Buffer.from(
            Buffer.from(await call.request())
              .toString()
              .toUpperCase(),
          ),
        )
      },
    })
    const options = { metadata: { 'x-trace': '7' } }
    const answer = await callUnary(connection, '/t.T/Upper', Buffer.from('lima'), options)
    assert.equal(Buffer.from(answer).toString(), 'LIMA')
    assert.equal(seen?.method, '/t.T/Upper')
    assert.equal(seen?.metadata['x-trace'], '7')
    assert.equal(seen?.peer, idOf(1))
  })

  it('streaming in both directions', async () => {
    const { connection } = await connect({
      '/t.T/Echo': async (call) => {
        for await (const batch of call.requests()) {
          for (const message of batch) await call.send(message)
        }
      },
    })
    const call = await openCall(connection, '/t.T/Echo')
    const received: number[] = []
    const reading = (async () => {
      for await (const batch of call.responses()) received.push(...batch.map(([n]) => n ?? -1))
    })()
    for (let i = 0; i < 100; i += 1) await call.send(Uint8Array.of(i))
    await call.end()
    await reading
    assert.deepEqual(
      received,
      Array.from({ length: 100 }, (_, i) => i),
    )
  })

  it('every error code survives the wire with its message', async () => {
    let thrown: unknown
    const { connection } = await connect({
      '/t.T/Fail': async () => {
        throw thrown
      },
    })
    for (const code of Object.keys(errorCodes) as (keyof typeof errorCodes)[]) {
      thrown = new IsochroneError(code, `why: “${code}” 100 %`)
      await assert.rejects(callUnary(connection, '/t.T/Fail', new Uint8Array()), (error) => {
        assert.ok(error instanceof IsochroneError)
        assert.equal(error.code, code)
        assert.equal(error.message, `why: “${code}” 100 %`)
        return true
      })
    }
  })

  it('a foreign error becomes internal and keeps its text at home', async () => {
    const { connection } = await connect({
      '/t.T/Fail': async () => {
        throw new TypeError('the prompt was: secret')
      },
    })
    const call = callUnary(connection, '/t.T/Fail', new Uint8Array())
    await assert.rejects(call, (error: Error) => {
      return hasCode(error, 'internal') && !error.message.includes('secret')
    })
  })

  it('unknown methods, also those of Object.prototype, are method_not_found', async () => {
    const { connection } = await connect({})
    for (const method of ['/t.T/Nope', 'toString', '__proto__', '']) {
      const call = callUnary(connection, method, new Uint8Array())
      await assert.rejects(call, (error) => hasCode(error, 'method_not_found'))
    }
  })

  it('a request without a message, or with two, is malformed', async () => {
    const { connection } = await connect({
      '/t.T/One': async (call) => void (await call.request()),
    })
    for (const messages of [0, 2]) {
      const call = await openCall(connection, '/t.T/One')
      for (let i = 0; i < messages; i += 1) await call.send(Uint8Array.of(i))
      await call.end()
      await assert.rejects(drain(call.responses()), (error) => hasCode(error, 'malformed_message'))
    }
  })

  it('a handler that answers nothing, or too much, is malformed for a unary caller', async () => {
    const { connection } = await connect({
      '/t.T/Nothing': async () => {},
      '/t.T/Two': async (call) => {
        await call.send(Uint8Array.of(1))
        await call.send(Uint8Array.of(2))
      },
    })
    for (const method of ['/t.T/Nothing', '/t.T/Two']) {
      const call = callUnary(connection, method, new Uint8Array())
      await assert.rejects(call, (error) => hasCode(error, 'malformed_message'))
    }
  })

  it('a deadline that passes ends the call on both sides', async () => {
    const reasons: unknown[] = []
    const { connection, clock } = await connect({ '/t.T/Wait': waitForAbort(reasons) })
    const call = callUnary(connection, '/t.T/Wait', new Uint8Array(), { deadlineMs: 5_000, clock })
    const rejected = assert.rejects(call, (error) => hasCode(error, 'deadline_exceeded'))
    await clock.advanceAsync(4_999)
    assert.equal(reasons.length, 0)
    await clock.advanceAsync(1)
    await rejected
    assert.ok(hasCode(reasons[0], 'deadline_exceeded') || hasCode(reasons[0], 'cancelled'))
  })

  it('the serving side keeps a deadline by itself', async () => {
    const reasons: unknown[] = []
    const { connection, clock } = await connect({ '/t.T/Wait': waitForAbort(reasons) })
    const stream = await connection.open({ ':path': '/t.T/Wait', 'grpc-timeout': '2S' })
    await clock.advanceAsync(2_000)
    assert.equal((await stream.trailers)['grpc-status'], '4')
    assert.ok(hasCode(reasons[0], 'deadline_exceeded'))
  })

  it('a caller’s signal cancels the call, here and there', async () => {
    const reasons: unknown[] = []
    const { connection, clock } = await connect({ '/t.T/Wait': waitForAbort(reasons) })
    const controller = new AbortController()
    const { signal } = controller
    const call = callUnary(connection, '/t.T/Wait', new Uint8Array(), { signal })
    const rejected = assert.rejects(call, (error) => hasCode(error, 'client_closed_request'))
    await clock.advanceAsync(1)
    controller.abort(new IsochroneError('client_closed_request', 'the client left'))
    await rejected
    await clock.advanceAsync(1)
    assert.ok(hasCode(reasons[0], 'cancelled'))
    await assert.rejects(openCall(connection, '/t.T/Wait', { signal }))
  })

  it('leaving the responses early cancels the call', async () => {
    const reasons: unknown[] = []
    const { connection, clock } = await connect({
      '/t.T/Endless': async (call) => {
        try {
          for (;;) await call.send(new Uint8Array(1024))
        } catch (error) {
          reasons.push(error)
          throw error
        }
      },
    })
    const call = await openCall(connection, '/t.T/Endless')
    for await (const _ of call.responses()) break
    await clock.advanceAsync(1)
    assert.ok(hasCode(reasons[0], 'cancelled'))
  })

  it('a lost connection rejects the call with connection_lost', async () => {
    const { connection, clock } = await connect({ '/t.T/Wait': waitForAbort([]) })
    const call = callUnary(connection, '/t.T/Wait', new Uint8Array())
    const rejected = assert.rejects(call, (error) => hasCode(error, 'connection_lost'))
    await clock.advanceAsync(1)
    await connection.close()
    await rejected
  })

  it('a call is counted from its coming to its end, however it ends', async () => {
    const counted: number[] = []
    let open = 0
    const onCall = (change: 1 | -1) => {
      open += change
      counted.push(open)
    }
    const handlers = {
      '/t.T/Answer': async (call: IncomingCall) => call.send(await call.request()),
      '/t.T/Fail': async () => Promise.reject(new IsochroneError('node_failed', 'no')),
      '/t.T/Wait': waitForAbort([]),
    }
    const { connection } = await connect(handlers, onCall)
    const over = async () => {
      while (open > 0) await new Promise((resolve) => setImmediate(resolve))
    }
    for (const method of ['/t.T/Answer', '/t.T/Fail', '/t.T/Unknown']) {
      await callUnary(connection, method, Uint8Array.of(1)).catch(() => {})
      await over()
    }
    const late = await connection.open({ ':path': '/t.T/Answer', 'grpc-timeout': 'soon' })
    await late.trailers
    await over()
    const given = await openCall(connection, '/t.T/Wait')
    while (open === 0) await new Promise((resolve) => setImmediate(resolve))
    given.cancel()
    await over()
    assert.deepEqual(counted, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
  })

  it('requests that their callers never end take no more than unfinished messages', async () => {
    const { messageBytesMax, assemblyBytesMax } = transportLimits
    const { connection } = await connect({
      '/t.T/Length': async (call) => {
        await call.send(Buffer.from(String((await call.request()).length)))
      },
    })
    const large = new Uint8Array(messageBytesMax)
    const begin = async () => {
      const call = await openCall(connection, '/t.T/Length')
      await call.send(large)
      return call
    }
    const held: OutgoingCall[] = []
    for (let bytes = 0; bytes < assemblyBytesMax; bytes += large.length) held.push(await begin())
    const refused = await begin()
    await assert.rejects(drain(refused.responses()), (error) => hasCode(error, 'message_too_large'))
    const small = await callUnary(connection, '/t.T/Length', new Uint8Array(1024))
    assert.equal(Buffer.from(small).toString(), '1024')
    const [first, second] = held
    const answered = first === undefined ? undefined : drain(first.responses())
    await first?.end()
    await answered
    second?.cancel()
    for (let i = 0; i < 2; i += 1) {
      const length = await callUnary(connection, '/t.T/Length', large)
      assert.equal(Buffer.from(length).toString(), String(messageBytesMax))
    }
  })

  it('whoever serves can end a call’s work', async () => {
    const reasons: unknown[] = []
    const reason = new IsochroneError('node_draining', 'the node is stopping')
    const { connection } = await connect({
      '/t.T/Stop': async (call) => {
        call.abort(reason)
        reasons.push(call.signal.reason)
        call.signal.throwIfAborted()
      },
    })
    const asked = callUnary(connection, '/t.T/Stop', Uint8Array.of(1))
    await assert.rejects(asked, (error) => hasCode(error, 'node_draining'))
    assert.deepEqual(reasons, [reason])
  })

  it('health: SERVING, NOT_SERVING, unknown services and garbage', async () => {
    let serving = true
    const { connection } = await connect({ '/h': healthHandler(() => serving) })
    const check = (message: Uint8Array) => callUnary(connection, '/h', message)
    assert.deepEqual([...(await check(new Uint8Array()))], [8, 1])
    serving = false
    assert.deepEqual([...(await check(Uint8Array.of(0x0a, 0)))], [8, 2])
    const unknown = check(Uint8Array.of(0x0a, 1, 0x61))
    await assert.rejects(unknown, (error) => hasCode(error, 'not_found'))
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 20 }), async (garbage) => {
        await check(garbage).catch((error) => assert.ok(error instanceof IsochroneError))
      }),
      { numRuns: 50 },
    )
  })
})

describe('a hostile peer’s metadata', () => {
  it('any grpc-timeout is a bounded number or malformed', async () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const ms = parseTimeout(text) ?? Number.NaN
          assert.ok(ms >= 0 && ms <= deadlineMsMax)
        } catch (error) {
          assert.ok(hasCode(error, 'malformed_message'))
        }
      }),
    )
    const { connection } = await connect({ '/t.T/Wait': waitForAbort([]) })
    for (const timeout of ['', '1', 'S', '-1S', '999999999S', '1.5S', '1s']) {
      const stream = await connection.open({ ':path': '/t.T/Wait', 'grpc-timeout': timeout })
      assert.equal((await stream.trailers)['isochrone-code'], 'malformed_message', timeout)
    }
  })

  it('a deadline is never shortened on its way', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: deadlineMsMax, noNaN: true }), (ms) => {
        const parsed = parseTimeout(formatTimeout(ms)) ?? -1
        assert.ok(parsed >= ms && parsed <= ms + 1_000)
      }),
    )
    assert.equal(parseTimeout('1n'), 1e-6)
    assert.equal(parseTimeout('1u'), 1e-3)
    assert.equal(parseTimeout('2M'), 120_000)
    assert.equal(parseTimeout('1H'), 3_600_000)
    assert.equal(parseTimeout('99999999H'), deadlineMsMax)
    assert.equal(parseTimeout(undefined), undefined)
  })

  it('any trailers are a known error or success', () => {
    const trailers = fc.record(
      {
        'grpc-status': fc.oneof(fc.string(), fc.nat(40).map(String)),
        'grpc-message': fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
        'isochrone-code': fc.oneof(fc.string(), fc.constantFrom(...Object.keys(errorCodes))),
        'grpc-retry-pushback-ms': fc.oneof(fc.string(), fc.integer().map(String)),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(trailers, (given) => {
        const error = trailersError(given as Record<string, string>)
        if (error === undefined) assert.equal(given['grpc-status'], '0')
        else {
          assert.ok(Object.hasOwn(errorCodes, error.code) && error.message !== '')
          const { retryAfterMs } = error.detail
          assert.ok(retryAfterMs === undefined || Number(retryAfterMs) >= 0)
        }
      }),
    )
  })

  it('a code that does not fit its status is not believed', () => {
    const error = trailersError({ 'grpc-status': '14', 'isochrone-code': 'invalid_request' })
    assert.equal(error?.code, 'node_failed')
  })

  it('when to come again survives the wire', () => {
    const sent = (retryAfterMs: number) =>
      trailersError(
        errorTrailers(new IsochroneError('all_nodes_busy', 'full', { detail: { retryAfterMs } })),
      )?.detail['retryAfterMs']
    assert.equal(sent(1_500.2), 1_501)
    assert.equal(sent(1e12), 3_600_000)
    assert.equal(sent(-1), undefined)
    assert.equal(sent(Number.NaN), undefined)
  })

  it('messages survive percent-encoding; the wire sees printable ASCII only', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const encoded = percentEncode(text)
        assert.match(encoded, /^[\x20-\x7e]*$/)
        assert.equal(percentDecode(encoded), text)
      }),
    )
    assert.equal(percentDecode('100%'), '100%')
    assert.equal(percentDecode('%zz'), '%zz')
    const long = errorTrailers(new IsochroneError('internal', 'é'.repeat(100_000)))
    assert.ok((long['grpc-message'] ?? '').length <= 3 * 4096)
  })
})

function idOf(n: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(n))
}

async function connect(
  handlers: Record<string, CallHandler>,
  onCall: (change: 1 | -1) => void = () => {},
): Promise<{ connection: Connection; clock: ManualClock }> {
  const clock = new ManualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1) })
  const onStream = serveCalls(handlers, { log: silentLog, clock, onCall })
  const listener = network.transport(idOf(2), { onStream })
  const dialler = network.transport(idOf(1), { onStream: (stream: Stream) => stream.cancel() })
  const { address } = await listener.listen('memory:0')
  return { connection: await dialler.dial(address, listener.self), clock }
}

function waitForAbort(reasons: unknown[]): CallHandler {
  return (call) =>
    new Promise((_, reject) => {
      const onAbort = () => {
        reasons.push(call.signal.reason)
        reject(call.signal.reason)
      }
      call.signal.addEventListener('abort', onAbort, { once: true })
    })
}

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}
