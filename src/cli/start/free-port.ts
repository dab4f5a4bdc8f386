/** Whether the clients' port can be had, asked before anything that takes long. */
import { createServer } from 'node:net'
import { IsochroneError } from '../../protocol/index.ts'

/**
 * Another program may still take it before the gateway does, which then says so itself.
 *
 * @param port 0: any will do
 * @throws IsochroneError `address_in_use`
 */
export async function checkPortIsFree(host: string, port: number): Promise<void> {
  if (port === 0) return
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (cause: NodeJS.ErrnoException) => {
      // What else may be wrong with an address, the gateway tells in its own words.
      if (cause.code !== 'EADDRINUSE') resolve()
      else reject(taken(host, port, cause))
    })
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()))
  })
}

function taken(host: string, port: number, cause: Error): IsochroneError {
  return new IsochroneError(
    'address_in_use',
    `port ${port} of ${host} is taken by another program; stop it, or choose another port with ` +
      '--port N (0 takes a free one)',
    { detail: { host, port }, cause },
  )
}
