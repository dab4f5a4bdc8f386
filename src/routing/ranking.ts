/** What a decision keeps of the best few: the numbers that ordered them. */
import { survival } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import type { Ranking } from './decision.ts'
import { outlook } from './layout.ts'
import { type Order, rankNumber } from './order.ts'
import type { Pick as Picked } from './pick.ts'
import type { RoutingPolicy } from './policy.ts'
import { candidateAt, isInGroup, loadAt, outlookAt, type Pool, priceAt } from './pool.ts'
import { bounded, spread } from './prediction.ts'
import { reliabilityAt, reliabilityAtBestAt } from './reliability.ts'
import { percentile95 } from './share-bounds.ts'

interface Ranked {
  readonly order: Order
  readonly picked: Picked
  readonly policy: RoutingPolicy
}

/** The best few, the chosen one, and whom it was compared with. */
export function rank(pool: Pool, { order, picked, policy }: Ranked): readonly Ranking[] {
  const rankOf = (index: number, rank: number) => rankingOf(pool, { index, rank, policy })
  const rankings = order.best.map((index, at) => rankOf(index, at + 1))
  const further: number[] = []
  for (const index of [picked.chosen, picked.comparedWith]) {
    if (index === undefined || order.best.includes(index)) continue
    further.push(index)
    rankings.push(rankOf(index, rankNumber(pool, index)))
  }
  return further.length === 0 ? rankings : rankings.sort((a, b) => a.rank - b.rank)
}

/** By the normal distribution, as far as single times lay from what was predicted. */
function highTtftMs(pool: Pool, index: number, { claimSamples }: RoutingPolicy): number {
  const { response, ttft } = (candidateAt(pool, index) as Candidate).evidence
  const meanMs = bounded(outlookAt(pool, index, outlook.ttftMs))
  return meanMs + percentile95 * spread(response ?? ttft, meanMs, claimSamples)
}

interface Placed {
  readonly index: number
  readonly rank: number
  readonly policy: RoutingPolicy
}

function rankingOf(pool: Pool, { index, rank, policy }: Placed): Ranking {
  const candidate = candidateAt(pool, index) as Candidate
  const { clean, completion, hazard, pace, tpot, ttft } = candidate.evidence
  const ranking: Ranking = {
    worker: candidate.id,
    rank,
    reliability: reliabilityAt(pool, index),
    reliabilityAtBest: reliabilityAtBestAt(pool, index),
    completionMean: completion.mean,
    completionLowerBound: completion.lowerBound,
    completionUpperBound: completion.upperBound,
    completionSamples: completion.samples,
    clean: clean.lowerBound,
    availability: survival(hazard.upper, outlookAt(pool, index, outlook.totalMs)),
    timely: timelyAt(pool, index),
    indistinguishable: isInGroup(pool, index),
    alike: pool.alike[index] === 1,
    predictedTtftMs: bounded(outlookAt(pool, index, outlook.ttftMs)),
    predictedQueueMs: bounded(outlookAt(pool, index, outlook.queueMs)),
    predictedTotalMs: bounded(outlookAt(pool, index, outlook.totalMs)),
    predictedFrom: ttft !== undefined ? 'observed' : claims(candidate) ? 'claimed' : 'assumed',
    price: priceAt(pool, index),
    load: loadAt(pool, index),
    roundTripMs: candidate.roundTripMs ?? null,
    roundTripSource: candidate.roundTripSource,
    predictedTtftHighMs: highTtftMs(pool, index, policy),
  }
  const isPaceSeen = pace !== undefined || tpot !== undefined
  return ttft === undefined && isPaceSeen ? { ...ranking, paceSeen: true } : ranking
}

/** Nobody is late where nothing is asked for. */
function timelyAt({ isTimed, timely }: Pool, index: number): number {
  return isTimed ? (timely[index] as number) : 1
}

function claims(candidate: Candidate): boolean {
  const { prefillTokensPerSecond = 0, decodeTokensPerSecond = 0 } = candidate.offer ?? {}
  return prefillTokensPerSecond > 0 || decodeTokensPerSecond > 0
}
