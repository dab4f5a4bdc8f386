import type { Socket } from 'node:net'
import { seededRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { describeTransport } from '../transport.contract.ts'
import type { Transport } from '../transport.ts'
import { createTlsTransport } from './tls-transport.ts'

describeTransport('tls', () => {
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
        },
        events,
      )
      made.push(transport)
      return transport
    },
    strangersId: createIdentity().id,
    sever() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      await Promise.all(made.map((transport) => transport.close()))
    },
  }
})
