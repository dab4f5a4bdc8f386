/**
 * What clusters there could be for one who knew all round trips: again and again the host with the
 * most near ones begins a cluster, and whoever adds the fewest far pairs joins it, while the bound
 * holds for 95 % of its pairs.
 */
import type { LatencyMatrix } from '../../src/simulation/index.ts'

export interface CoverRules {
  readonly boundMs: number
  readonly membersMax: number
}

/** Of a cluster's pairs, one in so many may be far. */
const farPairsOneIn = 20

/** How many hosts get a place in a cluster of two or more; one host at each site. */
export function greedyPlaced(matrix: LatencyMatrix, rules: CoverRules): number {
  const { sites, roundTripsMs } = matrix
  const isFar = (a: number, b: number) => {
    const there = roundTripsMs[a * sites + b] as number
    const back = roundTripsMs[b * sites + a] as number
    return (there + back) / 2 > rules.boundMs
  }
  const free = new Set(Array.from({ length: sites }, (_, host) => host))
  let placed = 0
  for (;;) {
    const size = coverOne(free, isFar, rules.membersMax)
    if (size < 2) return placed
    placed += size
  }
}

/** Takes one cluster's members out of `free`. Returns how many. */
function coverOne(
  free: Set<number>,
  isFar: (a: number, b: number) => boolean,
  membersMax: number,
): number {
  const first = mostCentral(free, isFar)
  if (first === undefined) return 0
  const members = [first]
  free.delete(first)
  let farPairs = 0
  while (members.length < membersMax) {
    let best: number | undefined
    let fewest = Number.POSITIVE_INFINITY
    for (const host of free) {
      const far = members.reduce((sum, member) => sum + (isFar(host, member) ? 1 : 0), 0)
      if (far >= fewest) continue
      best = host
      fewest = far
    }
    const pairs = (members.length * (members.length + 1)) / 2
    if (best === undefined || farPairs + fewest > Math.floor((pairs - 1) / farPairsOneIn)) break
    farPairs += fewest
    members.push(best)
    free.delete(best)
  }
  return members.length
}

function mostCentral(
  free: ReadonlySet<number>,
  isFar: (a: number, b: number) => boolean,
): number | undefined {
  let central: number | undefined
  let most = 0
  for (const host of free) {
    let near = 0
    for (const other of free) if (other !== host && !isFar(host, other)) near += 1
    if (near <= most) continue
    central = host
    most = near
  }
  return central
}
