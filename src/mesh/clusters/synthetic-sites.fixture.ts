/** For tests: round trips between sites in towns that are near inside and far from each other. */
import { seededRandom } from '../../base/index.ts'
import type { RoundTrip } from './federation.fixture.ts'
import { farAllowed } from './fit.ts'

export interface Towns {
  readonly roundTripMs: RoundTrip
  townOf(index: number): number
}

/** Sites of a town are 1 to 9 ms from each other; towns are 25 ms apart and more. */
export function towns(count: number, townsCount: number, seed: number): Towns {
  const random = seededRandom(seed)
  const centres = Array.from({ length: townsCount }, (_, town) => ({
    x: 40 * (town % 4) + random.float() * 5,
    y: 40 * Math.floor(town / 4) + random.float() * 5,
  }))
  const sites = Array.from({ length: count }, (_, index) => {
    const { x, y } = centres[index % townsCount] ?? { x: 0, y: 0 }
    return {
      x: x + random.float() * 5,
      y: y + random.float() * 5,
      ownMs: 0.4 + random.float() * 0.5,
    }
  })
  return {
    townOf: (index) => index % townsCount,
    roundTripMs: (one, other) => {
      const [a, b] = [sites[one] ?? sites[0], sites[other] ?? sites[0]]
      if (a === undefined || b === undefined) return 0
      return Math.hypot(a.x - b.x, a.y - b.y) + a.ownMs + b.ownMs
    },
  }
}

/** All distances alike: no towns at all, nodes spread over a plane. */
export function plane(count: number, widthMs: number, seed: number): RoundTrip {
  const random = seededRandom(seed)
  const sites = Array.from({ length: count }, () => ({
    x: random.float() * widthMs,
    y: random.float() * widthMs,
  }))
  return (one, other) => {
    const [a, b] = [sites[one] ?? sites[0], sites[other] ?? sites[0]]
    return a === undefined || b === undefined ? 0 : 1 + Math.hypot(a.x - b.x, a.y - b.y)
  }
}

/** How many nodes a greedy cover places that knows all round trips. */
export function greedyPlaced(
  count: number,
  roundTripMs: RoundTrip,
  { boundMs, membersMax } = { boundMs: 15, membersMax: 64 },
): number {
  const left = new Set(Array.from({ length: count }, (_, index) => index))
  const isFar = (one: number, other: number) => roundTripMs(one, other) > boundMs
  let placed = 0
  for (;;) {
    let [seed, most] = [-1, 0]
    for (const one of left) {
      let near = 0
      for (const other of left) if (one !== other && !isFar(one, other)) near += 1
      if (near <= most) continue
      seed = one
      most = near
    }
    if (seed < 0) return placed
    const cluster = [seed]
    let far = 0
    left.delete(seed)
    while (cluster.length < membersMax) {
      let [best, least] = [-1, Number.POSITIVE_INFINITY]
      for (const one of left) {
        let count = 0
        for (const member of cluster) if (isFar(one, member)) count += 1
        if (count >= least) continue
        best = one
        least = count
      }
      if (best < 0 || far + least > farAllowed(cluster.length + 1)) break
      far += least
      cluster.push(best)
      left.delete(best)
    }
    placed += cluster.length
  }
}
