/** What one address, or one connection, cannot take away from the others. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { secureRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity, hasCode } from '../../protocol/index.ts'
import { type CallHandler, serveCalls } from '../calls/incoming.ts'
import { callUnary } from '../calls/outgoing.ts'
import type { Connection } from '../transport.ts'
import { createTlsTransport, type TlsLimits } from './tls-transport.ts'

const method = '/test/Echo'
const modules = { log: silentLog, clock: systemClock, random: secureRandom }
const lengthOf: CallHandler = async (call) => {
  const { length } = await call.request()
  await call.send(Buffer.from(String(length)))
}

interface Peers {
  dial(): Promise<Connection>
  socket(): Promise<Socket>
}

async function withPeers(
  limits: Partial<TlsLimits>,
  body: (peers: Peers) => Promise<void>,
): Promise<void> {
  const onStream = serveCalls({ [method]: lengthOf }, modules)
  const victim = createTlsTransport(
    { ...modules, identity: createIdentity(), limits },
    { onStream },
  )
  const other = createTlsTransport({ ...modules, identity: createIdentity() }, { onStream })
  const { address } = await victim.listen('127.0.0.1:0')
  const sockets: Socket[] = []
  const socket = async () => {
    const made = connectTcp({ port: Number(address.split(':')[1]), host: '127.0.0.1' })
    made.on('error', () => {})
    made.resume()
    sockets.push(made)
    await once(made, 'connect')
    return made
  }
  try {
    await body({ socket, dial: () => other.dial(address, victim.self) })
  } finally {
    for (const made of sockets) made.destroy()
    await Promise.all([victim.close(), other.close()])
  }
}

const isUnreachable = (error: unknown) => hasCode(error, 'peer_unreachable')

test('an address with too many sockets in their handshake gets no more of them', async () => {
  await withPeers({ handshakesPerAddressMax: 8 }, async ({ dial, socket }) => {
    const silent: Socket[] = []
    for (let i = 0; i < 8; i += 1) silent.push(await socket())
    await once(await socket(), 'close')
    await assert.rejects(dial(), isUnreachable)
    assert.ok(silent.every(({ destroyed }) => !destroyed))
    for (const each of silent) each.destroy()
    // Connections that stand are no handshakes.
    for (let i = 0; i < 8; i += 1) await eventually(dial)
  })
})

test('an address with too many sockets gets no more, until it closes some', async () => {
  await withPeers({ socketsPerAddressMax: 4 }, async ({ dial }) => {
    const first = await dial()
    await dial()
    await assert.rejects(dial(), isUnreachable)
    await first.close()
    await eventually(dial)
  })
})

test('unfinished messages share one budget with those of all other connections', async () => {
  const limits = { assemblyTotalBytesMax: 150_000, assemblySureBytes: 1_024 }
  await withPeers(limits, async ({ dial }) => {
    const connection = await dial()
    const small = await callUnary(connection, method, new Uint8Array(500))
    assert.equal(Buffer.from(small).toString(), '500')
    const large = callUnary(connection, method, new Uint8Array(1_000_000))
    await assert.rejects(large, (error) => hasCode(error, 'message_too_large'))
  })
})

/** The far side hears of a close a moment later. */
async function eventually(dial: () => Promise<Connection>): Promise<Connection> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      return await dial()
    } catch (error) {
      assert.ok(isUnreachable(error), String(error))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return dial()
}
