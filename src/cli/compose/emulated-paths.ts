/** The emulated wide area of one process: how far each address is that it dials. */
import { secureRandom, systemClock } from '../../base/index.ts'
import { emulateWideArea, type SocketDecorator } from '../../transport/index.ts'
import { usageError } from '../options/usage-error.ts'

/** Real paths vary by some percent of their delay. */
const jitterShare = 0.03
const delayMaxMs = 10_000

/**
 * @param elsewhereMs one-way delay to what `paths` does not name
 * @param paths `IP:PORT=MS`, as given
 * @returns undefined: nothing is emulated
 */
export function emulatedPaths(
  elsewhereMs: number,
  paths: readonly string[],
): SocketDecorator | undefined {
  const delays = new Map(paths.map(parsePath))
  if (elsewhereMs === 0 && delays.size === 0) return undefined
  return (socket) => {
    const { remoteAddress = '', remotePort } = socket
    const oneWayDelayMs = delays.get(`${remoteAddress}:${remotePort}`) ?? elsewhereMs
    if (oneWayDelayMs === 0) return socket
    const jitterMs = oneWayDelayMs * jitterShare
    const machine = { random: secureRandom, clock: systemClock }
    return emulateWideArea({ oneWayDelayMs, jitterMs, ...machine })(socket)
  }
}

const pathPattern = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})=(\d{1,5}(?:\.\d{1,6})?)$/

function parsePath(path: string): readonly [string, number] {
  const [, ipv6, ipv4, port, delay] = pathPattern.exec(path) ?? []
  const delayMs = Number(delay)
  if (delay === undefined || delayMs > delayMaxMs) {
    throw usageError(
      `--emulated-path "${path}" must be an address and a delay of at most ${delayMaxMs} ms, ` +
        'for example 127.0.0.1:9000=34',
    )
  }
  return [`${ipv6 ?? ipv4}:${Number(port)}`, delayMs]
}
