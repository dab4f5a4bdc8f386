/** A peer is who its key says, on both sockets of a connection. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { secureRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity, hasCode, type NodeId } from '../../protocol/index.ts'
import type { TransportEvents } from '../transport.ts'
import { reverseProtocol } from './pairing.ts'
import { createTlsTransport } from './tls-transport.ts'

const modules = { log: silentLog, clock: systemClock, random: secureRandom }
const events: TransportEvents = { onStream: (stream) => stream.cancel() }

const isMismatch = (error: unknown) => {
  assert.ok(hasCode(error, 'identity_mismatch'), String(error))
  return true
}

/** Leads the two sockets of a connection to two peers: the protocol is readable in TLS's hello. */
async function splitter(forward: string, reverse: string, sockets: Set<Socket>): Promise<Server> {
  const server = createServer((socket) => {
    socket.once('data', (hello) => {
      const address = hello.includes(reverseProtocol) ? reverse : forward
      const onward = connect(Number(address.split(':')[1]), '127.0.0.1')
      for (const each of [socket, onward]) sockets.add(each.on('error', () => {}))
      onward.write(hello)
      socket.pipe(onward).pipe(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

test('a peer with another key than expected is refused, whichever socket shows it', async () => {
  const [one, two, dialler] = [1, 2, 3].map(() =>
    createTlsTransport({ identity: createIdentity(), ...modules }, events),
  )
  assert.ok(one !== undefined && two !== undefined && dialler !== undefined)
  const [first, second] = [await one.listen('127.0.0.1:0'), await two.listen('127.0.0.1:0')]
  const sockets = new Set<Socket>()
  const server = await splitter(first.address, second.address, sockets)
  const bound = server.address()
  assert.ok(bound !== null && typeof bound === 'object')
  const split = `127.0.0.1:${bound.port}`
  try {
    const mismatches: readonly (readonly [string, NodeId | undefined])[] = [
      [first.address, two.self],
      // One key on the first socket, another on the second.
      [split, one.self],
      [split, two.self],
      [split, undefined],
    ]
    for (const [address, expected] of mismatches) {
      await assert.rejects(dialler.dial(address, expected), isMismatch)
    }
    assert.equal((await dialler.dial(first.address, one.self)).peer, one.self)
    assert.equal((await dialler.dial(second.address, undefined)).peer, two.self)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
    await Promise.all([one, two, dialler].map((transport) => transport.close()))
  }
})
