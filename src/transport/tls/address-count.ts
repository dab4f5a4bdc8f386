/**
 * How many sockets each network address has here: keys cost a stranger nothing, addresses do.
 *
 * An IPv6 address counts with all others of its /64, since whoever has one has them all (RFC 6177).
 */
import { isIPv4 } from 'node:net'

export class AddressCount {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** Addresses that have any. */
  get size(): number {
    return this.#counts.size
  }

  /** Counts one more; false, and nothing counted, when the address has as many as it may. */
  enter(address: string): boolean {
    const network = networkOf(address)
    const count = this.#counts.get(network) ?? 0
    if (count >= this.#max) return false
    this.#counts.set(network, count + 1)
    return true
  }

  leave(address: string): void {
    const network = networkOf(address)
    const count = this.#counts.get(network) ?? 0
    if (count > 1) this.#counts.set(network, count - 1)
    else this.#counts.delete(network)
  }
}

/** `fe80::1` → `fe80:0:0:0`; an IPv4 address, also one mapped into IPv6, is itself. */
export function networkOf(address: string): string {
  const last = address.slice(address.lastIndexOf(':') + 1)
  if (isIPv4(last)) return last
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  const after = (tail ?? '').split(':').filter((group) => group !== '')
  while (tail !== undefined && groups.length + after.length < groupCount) groups.push('0')
  return [...groups, ...after].slice(0, networkGroups).join(':')
}

/** Groups of 16 bits in an IPv6 address, and in its network part. */
const groupCount = 8
const networkGroups = 4
