/**
 * Prequal (Wydrowski et al., Load is not what you should balance: Introducing Prequal, NSDI 2024):
 * a pool of at most 16 probe answers, three probes sent per request and used when they are there.
 * Who has more requests in flight than the quantile 0.84 of the pool is hot; of the cold the one
 * with the lowest latency is chosen, else the hot one with the fewest in flight. An answer that was
 * used counts as one more in flight; the worst or the oldest is removed with every request.
 * Against sinkholes, the paper's error aversion: nodes that fail much are not probed into the pool.
 */
import {
  type Balancer,
  type BalancerModules,
  isUsable,
  type ProbeAnswer,
  usable,
} from '../balancer.ts'

const poolMax = 16
const probesPerRequest = 3
const hotQuantile = 0.84
const probeLifeMs = 1_000
/** An answer may serve this often: (1 + δ) / ((1 − pool/nodes) × probes − removals), at least 1. */
const usesMax = 2
/** Failures among the latest answers or so, above which a node is averse. */
const failureShareMax = 0.2
const failureGain = 1 / 8

interface Probe extends ProbeAnswer {
  readonly node: number
  readonly atMs: number
  added: number
  uses: number
}

export class Prequal implements Balancer {
  readonly #modules: BalancerModules
  #pool: Probe[] = []
  readonly #failures = new Map<number, number>()
  #removesOldest = true

  constructor(modules: BalancerModules) {
    this.#modules = modules
  }

  choose(_ask: unknown, tried: readonly number[]): number | undefined {
    const { sights, random, clock } = this.#modules
    const nowMs = clock.now()
    this.#pool = this.#pool.filter(({ atMs }) => nowMs - atMs < probeLifeMs)
    const known = this.#pool.filter(({ node }) => {
      const sight = sights[node]
      return sight !== undefined && isUsable(sight) && !tried.includes(node)
    })
    const best = bestOf(known)
    if (best === undefined || known.length < 2) {
      const free = usable(sights, tried)
      return free[random.below(Math.max(1, free.length))]?.node
    }
    best.added += 1
    best.uses += 1
    if (best.uses >= usesMax) this.#remove(best)
    this.#removeOne()
    return best.node
  }

  ended({ node, kind }: Parameters<NonNullable<Balancer['ended']>>[0]): void {
    const before = this.#failures.get(node) ?? 0
    this.#failures.set(node, before + failureGain * ((kind === 'failed' ? 1 : 0) - before))
  }

  probes(): readonly number[] {
    const { sights, random } = this.#modules
    const free = usable(sights, [])
    const count = Math.min(probesPerRequest, free.length)
    const chosen = new Set<number>()
    while (chosen.size < count) chosen.add(free[random.below(free.length)]?.node ?? 0)
    return [...chosen]
  }

  probed(node: number, answer: ProbeAnswer): void {
    if ((this.#failures.get(node) ?? 0) > failureShareMax) return
    this.#pool = this.#pool.filter((probe) => probe.node !== node)
    this.#pool.push({ ...answer, node, atMs: this.#modules.clock.now(), added: 0, uses: 0 })
    if (this.#pool.length > poolMax) this.#pool.shift()
  }

  #removeOne(): void {
    if (this.#pool.length < poolMax / 2) return
    this.#removesOldest = !this.#removesOldest
    const worst = this.#removesOldest ? this.#pool[0] : worstOf(this.#pool)
    if (worst !== undefined) this.#remove(worst)
  }

  #remove(probe: Probe): void {
    this.#pool = this.#pool.filter((other) => other !== probe)
  }
}

const loadOf = ({ inFlight, added }: Probe): number => inFlight + added

function hotAbove(pool: readonly Probe[]): number {
  const loads = pool.map(loadOf).sort((a, b) => a - b)
  return loads[Math.floor((loads.length - 1) * hotQuantile)] ?? 0
}

function bestOf(pool: readonly Probe[]): Probe | undefined {
  const limit = hotAbove(pool)
  const cold = pool.filter((probe) => loadOf(probe) <= limit)
  const key = cold.length > 0 ? (probe: Probe) => probe.latencyMs : loadOf
  return least(cold.length > 0 ? cold : pool, key)
}

function worstOf(pool: readonly Probe[]): Probe | undefined {
  const limit = hotAbove(pool)
  const hot = pool.filter((probe) => loadOf(probe) > limit)
  return hot.length > 0
    ? least(hot, (probe) => -loadOf(probe))
    : least(pool, (probe) => -probe.latencyMs)
}

function least(pool: readonly Probe[], key: (probe: Probe) => number): Probe | undefined {
  let best = pool[0]
  for (const probe of pool) if (best !== undefined && key(probe) < key(best)) best = probe
  return best
}
