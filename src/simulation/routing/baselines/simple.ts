/** Balancers that every proxy has. All break ties by lot. */
import { type Balancer, type BalancerMaker, usable } from '../balancer.ts'

export const randomBalancer: BalancerMaker = ({ sights, random }): Balancer => ({
  choose(_ask, tried) {
    const free = usable(sights, tried)
    return free[random.below(Math.max(1, free.length))]?.node
  },
})

export const roundRobin: BalancerMaker = ({ sights, random }): Balancer => {
  // Gateways that all begin with the first node would go round together.
  let next = random.below(Math.max(1, sights.length))
  return {
    choose(_ask, tried) {
      const free = usable(sights, tried)
      const chosen = free.find(({ node }) => node >= next) ?? free[0]
      next = (chosen?.node ?? 0) + 1
      return chosen?.node
    },
  }
}

/** By what this gateway has under way, as nginx, HAProxy and Envoy count. */
export const leastConnections: BalancerMaker = ({ sights, random }): Balancer => ({
  choose(_ask, tried) {
    const free = usable(sights, tried)
    let best = free[0]
    let ties = 1
    for (const sight of free.slice(1)) {
      if (best === undefined || sight.inFlight < best.inFlight) {
        best = sight
        ties = 1
      } else if (sight.inFlight === best.inFlight) {
        ties += 1
        if (random.below(ties) === 0) best = sight
      }
    }
    return best?.node
  },
})

/** Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12(10), 2001. */
export const powerOfTwo: BalancerMaker = ({ sights, random }): Balancer => ({
  choose(_ask, tried) {
    const free = usable(sights, tried)
    const [a, b] = twoOf(free, (limit) => random.below(limit))
    if (a === undefined || b === undefined) return a?.node
    return (b.inFlight < a.inFlight ? b : a).node
  },
})

/** Two different ones, or one where there is one. */
export function twoOf<T>(all: readonly T[], below: (limit: number) => number): readonly T[] {
  if (all.length <= 1) return all
  const first = below(all.length)
  const other = below(all.length - 1)
  return [all[first] as T, all[other < first ? other : other + 1] as T]
}
