/** Which hosts of a run are gateways, and how far each is from whom. */
import type { NodeId } from '../../protocol/index.ts'
import type { Placement } from '../network/placement.ts'

export class Gateways {
  readonly hosts: readonly number[]
  readonly #placement: Placement
  readonly #ids: readonly NodeId[]

  constructor(count: number, placement: Placement, ids: readonly NodeId[]) {
    this.hosts = Array.from({ length: count }, (_, host) => host)
    this.#placement = placement
    this.#ids = ids
  }

  has(host: number): boolean {
    return host < this.hosts.length
  }

  /** All others, the nearest first. A region is who has the same gateway nearest. */
  knownBy(host: number): { readonly gateways: readonly NodeId[]; readonly region: string } {
    const wayMs = (gateway: number) => this.#placement.oneWayMs(host, gateway)
    const others = this.hosts.filter((gateway) => gateway !== host)
    others.sort((a, b) => wayMs(a) - wayMs(b) || a - b)
    return {
      gateways: others.map((gateway) => this.#ids[gateway] as NodeId),
      region: `region-${this.has(host) ? host : (others[0] ?? 0)}`,
    }
  }
}
