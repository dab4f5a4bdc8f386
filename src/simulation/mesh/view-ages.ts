/** How old what gateways know of nodes is, as far as both have been up and in reach for a while. */
import type { FederationView } from '../../mesh/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import type { Gateways } from './gateways.ts'

export interface ViewAgesReport {
  /** How many entries were this old: by `ageStepMs`; the last are older. */
  readonly counts: readonly number[]
  /** Nodes that were not known at all. */
  readonly missing: number
}

export const ageStepMs = 50
const agesCounted = 400
/** A look at all entries of all gateways costs some ms. */
const lookEveryMs = 5_000
/** A view is as young as it gets after two of the slowest of the digests' times. */
const steadyMs = 20_000
const nothing: ViewAgesReport = { counts: [], missing: 0 }

/** What a look needs of the world. */
export interface SteadyHosts {
  readonly hosts: number
  groupOf(host: number): number
  indexOf(id: NodeId): number
  /** Infinity while it is down or asleep. */
  steadySinceMs(host: number): number
}

export class ViewAges {
  readonly #world: SteadyHosts
  readonly #gateways: Gateways
  readonly #viewOf: (host: number) => FederationView | undefined

  constructor(
    world: SteadyHosts,
    gateways: Gateways,
    viewOf: (host: number) => FederationView | undefined,
  ) {
    this.#world = world
    this.#gateways = gateways
    this.#viewOf = viewOf
  }

  /** A look, where it is time for one. */
  take(nowMs: number): ViewAgesReport {
    if (nowMs % lookEveryMs !== 0) return nothing
    const counts = new Array<number>(agesCounted).fill(0)
    let missing = 0
    for (const gateway of this.#gateways.hosts) {
      const view = this.#viewOf(gateway)
      if (view === undefined || !this.#isSteady(gateway, nowMs)) continue
      missing += this.#look({ gateway, view, nowMs }, counts)
    }
    return { counts, missing }
  }

  #look(
    { gateway, view, nowMs }: { gateway: number; view: FederationView; nowMs: number },
    counts: number[],
  ): number {
    const world = this.#world
    const group = world.groupOf(gateway)
    const isSeen = (host: number) => world.groupOf(host) === group && this.#isSteady(host, nowMs)
    let known = 0
    for (const { id, ageMs } of view.ages(nowMs)) {
      const host = world.indexOf(id)
      if (host < 0 || !isSeen(host)) continue
      known += 1
      const place = Math.min(agesCounted - 1, Math.floor(ageMs / ageStepMs))
      counts[place] = (counts[place] ?? 0) + 1
    }
    let there = 0
    for (let host = 0; host < world.hosts; host += 1) {
      if (!this.#gateways.has(host) && isSeen(host)) there += 1
    }
    return there - known
  }

  #isSteady(host: number, nowMs: number): boolean {
    return nowMs - this.#world.steadySinceMs(host) >= steadyMs
  }
}
