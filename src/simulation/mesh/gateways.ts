/** Which hosts of a run are gateways, and how far each is from whom. */
import type { NodeId } from '../../protocol/index.ts'
import type { Placement } from '../network/placement.ts'
import type { LoadSetting } from './load-side.ts'

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

  /** A region is who has the same gateway nearest. */
  loadSetting(host: number, modules: Pick<LoadSetting, 'random' | 'wallMs'>): LoadSetting {
    const wayMs = (gateway: number) => this.#placement.oneWayMs(host, gateway)
    const nearest = this.hosts.filter((gateway) => gateway !== host)
    nearest.sort((a, b) => wayMs(a) - wayMs(b) || a - b)
    const isGateway = this.has(host)
    return {
      ...modules,
      self: this.#ids[host] as NodeId,
      isGateway,
      gateways: nearest.map((gateway) => this.#ids[gateway] as NodeId),
      region: `region-${isGateway ? host : (nearest[0] ?? 0)}`,
    }
  }
}
