/**
 * Divides hosts among threads where the network is longest: no thread hears from another sooner
 * than the shortest way between their hosts, and so each may run that far ahead alone.
 */
import type { Placement } from '../network/placement.ts'

export interface Cut {
  /** The part of each host. */
  readonly partOf: Uint8Array
  readonly parts: number
  /** One way, without jitter, between hosts of different parts. */
  readonly leastMs: number
}

/** The largest part may be this much larger than a fair share: all wait for the slowest. */
const imbalanceMax = 1.12

/** @param busy hosts that do as much as others do together: `weight` of them each */
export function cutHosts(
  placement: Placement,
  parts: number,
  busy: { readonly hosts: readonly number[]; readonly weight: number } = { hosts: [], weight: 1 },
): Cut {
  const { hosts, sites } = placement
  const weights = new Float64Array(sites)
  const hostAt = new Int32Array(sites).fill(-1)
  const busyHosts = new Set(busy.hosts)
  for (let host = 0; host < hosts; host += 1) {
    const site = placement.siteOf(host)
    weights[site] = (weights[site] as number) + (busyHosts.has(host) ? busy.weight : 1)
    hostAt[site] = host
  }
  const used = Array.from({ length: sites }, (_, site) => site).filter((s) => hostAt[s] !== -1)
  const tree = spanningTree(used, (a, b) => placement.siteWayMs(a, b))
  const bins = bestBins({ used, weights, tree, parts })
  const partOf = new Uint8Array(hosts)
  for (let host = 0; host < hosts; host += 1) partOf[host] = bins[placement.siteOf(host)] as number
  return { partOf, parts, leastMs: leastBetween(placement, partOf, used) }
}

interface Edge {
  readonly a: number
  readonly b: number
  readonly ms: number
}

/** Prim: of all ways to connect the sites, the shortest. Its edges decide which are near. */
function spanningTree(used: readonly number[], ms: (a: number, b: number) => number): Edge[] {
  const edges: Edge[] = []
  const best = new Map<number, Edge>()
  let latest = used[0] as number
  const open = new Set(used.slice(1))
  while (open.size > 0) {
    let nearest: Edge | undefined
    for (const site of open) {
      const known = best.get(site)
      const wayMs = ms(latest, site)
      const edge =
        known !== undefined && known.ms <= wayMs ? known : { a: latest, b: site, ms: wayMs }
      best.set(site, edge)
      if (nearest === undefined || edge.ms < nearest.ms) nearest = edge
    }
    if (nearest === undefined) break
    edges.push(nearest)
    latest = nearest.b
    open.delete(latest)
  }
  return edges.sort((x, y) => x.ms - y.ms)
}

interface Sites {
  readonly used: readonly number[]
  /** Hosts at each site. */
  readonly weights: Float64Array
  readonly tree: readonly Edge[]
  readonly parts: number
}

/** Joins the nearest sites for as long as what comes out can still be shared fairly. */
function bestBins({ used, weights, tree, parts }: Sites): Uint8Array {
  const total = used.reduce((sum, site) => sum + (weights[site] as number), 0)
  const fair = Math.ceil(total / parts) * imbalanceMax
  const root = Int32Array.from(weights, (_, site) => site)
  const find = (site: number): number => {
    let at = site
    while (root[at] !== at) at = root[at] as number
    return at
  }
  let found = share({ used, weights, parts }, find).bins
  for (const { a, b } of tree) {
    root[find(b)] = find(a)
    const { bins, largest } = share({ used, weights, parts }, find)
    if (largest <= fair) found = bins
  }
  return found
}

/** The heaviest first, each to the bin that is lightest so far. */
function share(
  { used, weights, parts }: Omit<Sites, 'tree'>,
  find: (site: number) => number,
): { bins: Uint8Array; largest: number } {
  const clumps = new Map<number, number>()
  for (const site of used) {
    const top = find(site)
    clumps.set(top, (clumps.get(top) ?? 0) + (weights[site] as number))
  }
  const loads = new Float64Array(parts)
  const binOf = new Map<number, number>()
  for (const [top, weight] of [...clumps].sort(([s, a], [t, b]) => b - a || s - t)) {
    let lightest = 0
    for (let bin = 1; bin < parts; bin += 1) {
      if ((loads[bin] as number) < (loads[lightest] as number)) lightest = bin
    }
    binOf.set(top, lightest)
    loads[lightest] = (loads[lightest] as number) + weight
  }
  const bins = new Uint8Array(weights.length)
  for (const site of used) bins[site] = binOf.get(find(site)) ?? 0
  return { bins, largest: loads.reduce((most, load) => Math.max(most, load), 0) }
}

function leastBetween(placement: Placement, partOf: Uint8Array, used: readonly number[]): number {
  const partAt = new Map<number, number>()
  for (let host = 0; host < placement.hosts; host += 1) {
    partAt.set(placement.siteOf(host), partOf[host] as number)
  }
  let leastMs = Number.POSITIVE_INFINITY
  for (const a of used) {
    for (const b of used) {
      if (partAt.get(a) !== partAt.get(b)) leastMs = Math.min(leastMs, placement.siteWayMs(a, b))
    }
  }
  return leastMs
}
