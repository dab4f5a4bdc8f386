/** Ports that can be had, found before anything that takes long. */
import { createServer } from 'node:net'
import type { Random } from '../../base/index.ts'
import { takenPort } from '../compose/taken-port.ts'

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
      else reject(takenPort({ host, port, option: 'port' }, cause))
    })
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()))
  })
}

/** Outgoing connections get theirs above these on every usual system, and would be in the way. */
const searchedFrom = 20_000
const searchedUntil = 32_768
const triesPerPort = 20

/** So many different ones, that are free now. @throws IsochroneError `address_in_use` */
export async function findFreePorts(
  host: string,
  count: number,
  random: Random,
): Promise<readonly number[]> {
  const found = new Set<number>()
  for (let tries = 0; found.size < count; tries += 1) {
    const port = searchedFrom + random.below(searchedUntil - searchedFrom)
    try {
      if (!found.has(port)) await checkPortIsFree(host, port)
      found.add(port)
    } catch (error) {
      if (tries >= count * triesPerPort) throw error
    }
  }
  return [...found]
}
