/** Carriers over TLS: who uses one, and what a bad one costs. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { secureRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity, hasCode } from '../../protocol/index.ts'
import { serveCalls } from '../calls/incoming.ts'
import { callUnary } from '../calls/outgoing.ts'
import { carrierPath } from '../carrier/carriers.ts'
import type { Connection } from '../transport.ts'
import { TlsConnection } from './connection.ts'
import { createTlsTransport } from './tls-transport.ts'

const path = '/transport.v1.Test/Echo'
const modules = { log: silentLog, clock: systemClock, random: secureRandom }

describe('carriers', () => {
  it('are used between peers that know them', async () => {
    await withPair([true, true], async ({ dialled }) => {
      await echo(dialled)
      assert.equal(await carries(dialled), true)
      await echo(dialled)
    })
  })

  it('are not used with a peer that does not know them', async () => {
    for (const known of [
      [true, false],
      [false, true],
    ] as const) {
      await withPair(known, async ({ dialled, accepted }) => {
        await echo(dialled)
        if (known[0]) assert.equal(await carries(dialled), false)
        await echo(dialled)
        await echo(accepted)
      })
    }
  })

  it('there is one for each direction; a second one is refused', async () => {
    await withPair([true, true], async ({ dialled }) => {
      await echo(dialled)
      assert.equal(await carries(dialled), true)
      const second = await callUnary(dialled, carrierPath, new Uint8Array()).catch((error) => error)
      // On the carrier the path is a method like any other, and there is none of this name.
      assert.ok(hasCode(second, 'method_not_found'))
      await echo(dialled)
    })
    await withPair([false, true], async ({ dialled }) => {
      const first = await dialled.open({ ':path': carrierPath })
      const reader = first.messages()[Symbol.asyncIterator]()
      assert.deepEqual([...((await reader.next()).value?.[0] ?? [])], [1])
      const second = await dialled.open({ ':path': carrierPath })
      await assert.rejects(second.trailers, (error) => hasCode(error, 'cancelled'))
      await echo(dialled)
      first.cancel()
    })
  })

  it('one that breaks the rules costs the connection', async () => {
    await withPair([false, true], async ({ dialled, accepted }) => {
      const carrier = await dialled.open({ ':path': carrierPath })
      await carrier.send(Buffer.from('no frame'))
      const reason = await accepted.closed
      assert.equal(reason.kind, 'protocol-error')
      assert.match('detail' in reason ? reason.detail : '', /a frame is cut off/)
      await dialled.closed
    })
  })
})

interface Pair {
  readonly dialled: Connection
  readonly accepted: Connection
}

async function withPair(
  [dialler, listener]: readonly [boolean, boolean],
  body: (pair: Pair) => Promise<void>,
): Promise<void> {
  const onStream = serveCalls(
    { [path]: async (call) => call.send(await call.request()) },
    { log: silentLog, clock: systemClock },
  )
  const accepting = Promise.withResolvers<Connection>()
  const make = (carriesCalls: boolean) =>
    createTlsTransport(
      { ...modules, identity: createIdentity(), carriesCalls },
      { onStream, onConnection: accepting.resolve },
    )
  const [one, other] = [make(dialler), make(listener)]
  try {
    const { address } = await other.listen('127.0.0.1:0')
    const dialled = await one.dial(address, other.self)
    await body({ dialled, accepted: await accepting.promise })
  } finally {
    await Promise.all([one.close(), other.close()])
  }
}

async function echo(connection: Connection): Promise<void> {
  const answer = await callUnary(connection, path, Buffer.from('there and back'))
  assert.equal(Buffer.from(answer).toString(), 'there and back')
}

function carries(connection: Connection): Promise<boolean> {
  assert.ok(connection instanceof TlsConnection)
  return connection.carriesCalls
}
