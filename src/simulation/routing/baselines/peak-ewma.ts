/**
 * Peak EWMA: the lower of two nodes' recent latency times what is under way there (Finagle's
 * `PeakEwma`, Twitter, 2015; linkerd 2 uses it with two random choices). A sample above the average
 * replaces it at once; below, it decays within ten seconds.
 *
 * With a failure penalty, as proposed for linkerd 2 (linkerd2-proxy, issue 4537): a failure counts
 * as a slow answer, since an instant one is otherwise the fastest of all.
 */
import { type Balancer, type BalancerMaker, type BalancerModules, usable } from '../balancer.ts'
import { twoOf } from './simple.ts'

const decayMs = 10_000
/** Of somebody who was never seen, as linkerd's default. */
const firstMs = 1_000
const penaltyMs = 10_000

interface Average {
  ms: number
  atMs: number
}

export const peakEwma: BalancerMaker = (modules) => new PeakEwma(modules, 0)
export const peakEwmaPenalty: BalancerMaker = (modules) => new PeakEwma(modules, penaltyMs)

class PeakEwma implements Balancer {
  readonly #modules: BalancerModules
  readonly #penaltyMs: number
  readonly #averages = new Map<number, Average>()

  constructor(modules: BalancerModules, penaltyOfFailureMs: number) {
    this.#modules = modules
    this.#penaltyMs = penaltyOfFailureMs
  }

  choose(_ask: unknown, tried: readonly number[]): number | undefined {
    const { sights, random } = this.#modules
    const free = usable(sights, tried)
    const [a, b] = twoOf(free, (limit) => random.below(limit))
    if (a === undefined || b === undefined) return a?.node
    const cost = (node: number, inFlight: number) => this.#latencyMs(node) * (inFlight + 1)
    return cost(b.node, b.inFlight) < cost(a.node, a.inFlight) ? b.node : a.node
  }

  ended({ node, kind, ttftMs, startedAtMs }: Parameters<NonNullable<Balancer['ended']>>[0]): void {
    const nowMs = this.#modules.clock.now()
    // A proxy's latency is the time until the answer's head is there, of a failure too.
    const seenMs = ttftMs ?? nowMs - startedAtMs
    const sampleMs = kind === 'failed' ? Math.max(seenMs, this.#penaltyMs) : seenMs
    const average = this.#averages.get(node)
    if (average === undefined || sampleMs > average.ms) {
      this.#averages.set(node, { ms: sampleMs, atMs: nowMs })
      return
    }
    const kept = Math.exp(-(nowMs - average.atMs) / decayMs)
    average.ms = average.ms * kept + sampleMs * (1 - kept)
    average.atMs = nowMs
  }

  #latencyMs(node: number): number {
    return this.#averages.get(node)?.ms ?? firstMs
  }
}
