/** What a decision keeps of the best few: the numbers that ordered them. */
import { survival } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import type { Ranking } from './decision.ts'
import { compareRank, loadOf, type Order } from './order.ts'
import type { Pick as Picked } from './pick.ts'
import type { RoutingPolicy } from './policy.ts'
import { candidateAt, type Pool } from './pool.ts'
import { percentile95, spread } from './prediction.ts'

interface Ranked {
  readonly order: Order
  readonly picked: Picked
  readonly policy: RoutingPolicy
}

/** The best few, the chosen one, and whom it was compared with. */
export function rank(pool: Pool, { order, picked, policy }: Ranked): readonly Ranking[] {
  const rankOf = (index: number, rank: number) => ({
    ...rankingOf(pool, index, rank),
    predictedTtftHighMs: highTtftMs(pool, index, policy),
  })
  const rankings = order.best.map((index, at) => rankOf(index, at + 1))
  const compare = compareRank(pool)
  const further: number[] = []
  for (const index of [picked.chosen, picked.comparedWith]) {
    if (index === undefined || order.best.includes(index)) continue
    further.push(index)
    rankings.push(rankOf(index, rankNumber(pool, compare, index)))
  }
  return further.length === 0 ? rankings : rankings.sort((a, b) => a.rank - b.rank)
}

/** By the normal distribution, as far as single times lay from what was predicted. */
function highTtftMs(pool: Pool, index: number, { claimSamples }: RoutingPolicy): number {
  const { response, ttft } = (candidateAt(pool, index) as Candidate).evidence
  const meanMs = pool.ttftMs[index] ?? 0
  return meanMs + percentile95 * spread(response ?? ttft, meanMs, claimSamples)
}

function rankNumber(pool: Pool, compare: (a: number, b: number) => number, index: number): number {
  let rank = 1
  for (let i = 0; i < pool.size; i += 1) if (i !== index && compare(i, index) < 0) rank += 1
  return rank
}

function rankingOf(pool: Pool, index: number, rank: number): Omit<Ranking, 'predictedTtftHighMs'> {
  const candidate = candidateAt(pool, index) as Candidate
  const { clean, completion, hazard, ttft } = candidate.evidence
  return {
    worker: candidate.id,
    rank,
    reliability: pool.reliability[index] ?? 0,
    reliabilityAtBest: pool.reliabilityAtBest[index] ?? 0,
    completionMean: completion.mean,
    completionLowerBound: completion.lowerBound,
    completionUpperBound: completion.upperBound,
    completionSamples: completion.samples,
    clean: clean.lowerBound,
    availability: survival(hazard.upper, pool.totalMs[index] ?? 0),
    timely: pool.timely[index] ?? 0,
    indistinguishable: pool.inGroup[index] === 1,
    alike: pool.alike[index] === 1,
    predictedTtftMs: pool.ttftMs[index] ?? 0,
    predictedQueueMs: pool.queueMs[index] ?? 0,
    predictedTotalMs: pool.totalMs[index] ?? 0,
    predictedFrom: ttft !== undefined ? 'observed' : claims(candidate) ? 'claimed' : 'assumed',
    price: pool.price[index] ?? 0,
    load: loadOf(pool, index),
    roundTripMs: candidate.roundTripMs ?? null,
    roundTripSource: candidate.roundTripSource,
  }
}

function claims(candidate: Candidate): boolean {
  const { prefillTokensPerSecond = 0, decodeTokensPerSecond = 0 } = candidate.offer ?? {}
  return prefillTokensPerSecond > 0 || decodeTokensPerSecond > 0
}
