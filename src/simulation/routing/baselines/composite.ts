/**
 * A weighted composite as an LLM gateway ships it (theopenco/llmgateway): price 0.6, uptime 0.5,
 * throughput 0.05, latency 0.025, each set against the best and the worst candidate; uptime in a
 * window that counts the last minute ten times and the last five three times, with an exponential
 * penalty below 95 %; one request in a hundred goes anywhere. Unknown nodes count as 100 % up. And
 * the way to choose by latency alone that LiteLLM calls `latency-based-routing`: the lowest mean of
 * the latest ten.
 */
import {
  type Balancer,
  type BalancerMaker,
  type BalancerModules,
  type EndedAttempt,
  type Sight,
  usable,
} from '../balancer.ts'

const weights = { price: 0.6, uptime: 0.5, throughput: 0.05, latency: 0.025 }
const explorationShare = 0.01
const fullUptime = 0.95
/** 90 % → 0.07, 80 % → 0.62, 50 % → 5.6, as documented. */
const penaltyScale = 28.4
const penaltyPower = 2
const fadesWithinMs = 60_000
const latestMax = 10
const pricedPromptTokens = 1_000
const pricedCompletionTokens = 250

interface Seen {
  successes: number
  failures: number
  atMs: number
  readonly ttftMs: number[]
  readonly tpotMs: number[]
}

class Book {
  readonly #seen = new Map<number, Seen>()

  of(node: number): Seen {
    const seen = this.#seen.get(node)
    if (seen !== undefined) return seen
    const fresh = { successes: 0, failures: 0, atMs: 0, ttftMs: [], tpotMs: [] }
    this.#seen.set(node, fresh)
    return fresh
  }

  add({ node, kind, ttftMs, tpotMs }: EndedAttempt, nowMs: number): void {
    const seen = this.of(node)
    const kept = 2 ** -((nowMs - seen.atMs) / fadesWithinMs)
    seen.successes = seen.successes * kept + (kind === 'completed' ? 1 : 0)
    seen.failures = seen.failures * kept + (kind === 'failed' ? 1 : 0)
    seen.atMs = nowMs
    keep(seen.ttftMs, ttftMs)
    keep(seen.tpotMs, tpotMs)
  }
}

function keep(values: number[], value: number | null): void {
  if (value === null) return
  values.push(value)
  if (values.length > latestMax) values.shift()
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

class Composite implements Balancer {
  readonly #modules: BalancerModules
  readonly #book = new Book()

  constructor(modules: BalancerModules) {
    this.#modules = modules
  }

  choose(_ask: unknown, tried: readonly number[]): number | undefined {
    const { sights, random } = this.#modules
    const free = usable(sights, tried)
    if (random.float() < explorationShare) return free[random.below(free.length)]?.node
    const prices = scaled(free, priceOf)
    const slowness = scaled(free, ({ node }) => mean(this.#book.of(node).tpotMs))
    const latency = scaled(free, ({ node }) => mean(this.#book.of(node).ttftMs))
    let best: Sight | undefined
    let bestScore = Number.POSITIVE_INFINITY
    for (const [i, sight] of free.entries()) {
      const uptime = uptimeOf(this.#book.of(sight.node))
      const score =
        weights.price * (prices[i] ?? 0) +
        weights.uptime * (1 - uptime + penaltyOf(uptime)) +
        weights.throughput * (slowness[i] ?? 0) +
        weights.latency * (latency[i] ?? 0)
      if (score >= bestScore) continue
      bestScore = score
      best = sight
    }
    return best?.node
  }

  ended(attempt: EndedAttempt): void {
    this.#book.add(attempt, this.#modules.clock.now())
  }
}

export const composite: BalancerMaker = (modules) => new Composite(modules)

export const latencyOnly: BalancerMaker = ({ sights, random, clock }): Balancer => {
  const book = new Book()
  return {
    choose(_ask, tried) {
      const free = usable(sights, tried)
      const unseen = free.filter(({ node }) => book.of(node).ttftMs.length === 0)
      if (unseen.length > 0) return unseen[random.below(unseen.length)]?.node
      const times = free.map(({ node }) => mean(book.of(node).ttftMs))
      return free[times.indexOf(Math.min(...times))]?.node
    },
    ended: (attempt) => book.add(attempt, clock.now()),
  }
}

function priceOf({ claim }: Sight): number {
  return claim.promptPrice * pricedPromptTokens + claim.completionPrice * pricedCompletionTokens
}

function uptimeOf({ successes, failures }: Seen): number {
  const all = successes + failures
  return all < 1e-9 ? 1 : successes / all
}

function penaltyOf(uptime: number): number {
  return uptime >= fullUptime ? 0 : penaltyScale * (fullUptime - uptime) ** penaltyPower
}

/** From 0, the least, to 1, the most. */
function scaled(sights: readonly Sight[], value: (sight: Sight) => number): readonly number[] {
  const values = sights.map(value)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return values.map((one) => (most > least ? (one - least) / (most - least) : 0))
}
