/** Where to go for what listens everywhere: `0.0.0.0` is where to listen only. */
import type { NetworkInterfaceInfo } from 'node:os'

/** @param host stands for every address of this machine */
export function reachableAddress(address: string, host: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\]):/, `${host}:`)
}

/** The address at which other machines most likely find this one. */
export function ownHost(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): string {
  const found = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal, address }) => family === 'IPv4' && !internal && !isOwnLink(address))
  return found?.address ?? '127.0.0.1'
}

/** Given by the machine to itself, where no network gave it one. */
function isOwnLink(address: string): boolean {
  return address.startsWith('169.254.')
}
