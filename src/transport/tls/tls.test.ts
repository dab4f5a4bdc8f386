import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { seededRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { describeTransport, type TransportWorld } from '../transport.contract.ts'
import type { Transport } from '../transport.ts'
import { TlsConnection } from './connection.ts'
import { createTlsTransport } from './tls-transport.ts'

describeTransport('tls, a stream for each call', () => makeWorld(false))
describeTransport('tls, calls on a carrier', () => makeWorld(true))

function makeWorld(carriesCalls: boolean): TransportWorld {
  const made: Transport[] = []
  const sockets: Socket[] = []
  const decorateSocket = (socket: Socket) => {
    sockets.push(socket)
    return socket
  }
  return {
    transport(events) {
      const transport = createTlsTransport(
        {
          identity: createIdentity(),
          log: silentLog,
          clock: systemClock,
          random: seededRandom(made.length),
          decorateSocket,
          carriesCalls,
        },
        events,
      )
      made.push(transport)
      return transport
    },
    async prepare(connection) {
      if (!carriesCalls) return
      const first = await connection.open({})
      await first.end()
      await first.trailers
      assert.ok(connection instanceof TlsConnection && (await connection.carriesCalls))
    },
    strangersId: createIdentity().id,
    sever() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      await Promise.all(made.map((transport) => transport.close()))
    },
  }
}
