/**
 * `host:port` as people write it.
 */
import { IsochroneError } from '../protocol/index.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

const addressPattern = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*)):(\d{1,5})$/

/** @param address `host:port` or `[IPv6]:port`; an empty host is every interface. */
export function parseAddress(address: string): HostPort {
  const match = addressPattern.exec(address)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new IsochroneError(
      'invalid_configuration',
      `"${address}" is not an address: write host:port, for example 127.0.0.1:9000 or [::1]:9000`,
    )
  }
  return { host: match[1] ?? match[2] ?? '', port }
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
