/**
 * The order of the eligible: reliability first, then time, then price.
 *
 * A candidate cannot be told apart from the most reliable one while its upper bound reaches that
 * one's lower bound: it leaves the group once the evidence tells them apart (successive
 * elimination, Even-Dar, Mannor and Mansour, 2006). Within the group the time until a right answer
 * decides.
 */
import { newcomer } from '../evidence/index.ts'
import { occupancyOf, slotsOf } from './candidate.ts'
import type { RoutingPolicy } from './policy.ts'
import { candidateAt, type Pool } from './pool.ts'

export interface Order {
  /** How many cannot be told apart from the most reliable. */
  readonly groupSize: number
  /** As reliable and as fast as the best: these take turns by load. Indices into the pool. */
  readonly alike: readonly number[]
  /** Up to this predicted time whoever has read the beginning of the prompt stays one of them. */
  readonly stayMs: number
  /** The candidates in `alike` are there because nobody more reliable has a free slot. */
  readonly spilled: boolean
  /** The first few of all, best first. Indices into the pool. */
  readonly best: readonly number[]
}

/**
 * @param pool holds at least one candidate
 * @param soonMs whoever is done by then is as fast as need be; 0: nobody says what is
 */
export function orderOf(pool: Pool, policy: RoutingPolicy, soonMs = 0): Order {
  const { groupSize, seenMs } = markGroup(pool, policy)
  const fastestMs = believeTimes(pool, policy, seenMs)
  const limitMs = Math.max(sameSpeedLimit(fastestMs, policy), soonMs)
  const { inGroup, timeMs, queueMs } = pool
  let alike: number[] = []
  let free = false
  for (let i = 0; i < pool.size; i += 1) {
    if (inGroup[i] === 0 || (timeMs[i] ?? 0) > limitMs) continue
    alike.push(i)
    if (queueMs[i] === 0) free = true
  }
  const best = bestOf(pool, policy.rankingsMax)
  const spill = free ? [] : spillFrom(pool, policy, fastestMs)
  const spilled = spill.length > 0
  if (spilled) alike = spill
  pool.alike.fill(0, 0, pool.size)
  for (const index of alike) pool.alike[index] = 1
  return { groupSize, alike, stayMs: limitMs * policy.stayFactor, spilled, best }
}

/** Insertion into a short list: most candidates are compared with its last one and left out. */
function bestOf(pool: Pool, rankingsMax: number): readonly number[] {
  const compare = compareRank(pool)
  // Who was chosen is compared with the best other one: two are needed in any case.
  const countMax = Math.max(2, rankingsMax)
  const best: number[] = []
  const { inGroup, timeMs } = pool
  /** Of the last one, while it is of the group: whoever is slower, or in no group, comes behind. */
  let lastMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < pool.size; i += 1) {
    if ((timeMs[i] ?? 0) > lastMs || (inGroup[i] === 0 && lastMs !== Number.POSITIVE_INFINITY)) {
      continue
    }
    let at = best.length
    if (at === countMax) {
      if (compare(i, best[at - 1] ?? 0) > 0) continue
      at -= 1
    }
    for (; at > 0 && compare(i, best[at - 1] ?? 0) < 0; at -= 1) best[at] = best[at - 1] ?? 0
    best[at] = i
    const last = best[countMax - 1]
    if (last !== undefined && inGroup[last] === 1) lastMs = timeMs[last] ?? 0
  }
  return best
}

/** Negative: the candidate at `a` comes before the one at `b`. */
export function compareRank(pool: Pool): (a: number, b: number) => number {
  const { inGroup, reliability, timeMs, price } = pool
  return (a, b) => {
    const groups = (inGroup[b] ?? 0) - (inGroup[a] ?? 0)
    if (groups !== 0) return groups
    if (inGroup[a] === 0) {
      const reliable = (reliability[b] ?? 0) - (reliability[a] ?? 0)
      if (reliable !== 0) return reliable
    }
    const time = (timeMs[a] ?? 0) - (timeMs[b] ?? 0)
    if (time !== 0) return time
    return (price[a] ?? 0) - (price[b] ?? 0) || a - b
  }
}

export function loadOf(pool: Pool, index: number): number {
  const candidate = candidateAt(pool, index)
  return candidate === undefined ? 0 : occupancyOf(candidate) / slotsOf(candidate)
}

/** Also gives the shortest time of those in the group that were seen at work; 0: of nobody. */
function markGroup(pool: Pool, policy: RoutingPolicy) {
  const { reliability, reliabilityAtBest, inGroup, timedSamples, aimMs } = pool
  let best = 0
  for (let i = 0; i < pool.size; i += 1) {
    const one = reliability[i] ?? 0
    if (one > best) best = one
  }
  const least = best - policy.reliabilityMargin
  let groupSize = 0
  let seenMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < pool.size; i += 1) {
    const belongs = (reliabilityAtBest[i] ?? 0) < least ? 0 : 1
    inGroup[i] = belongs
    groupSize += belongs
    if (belongs === 0 || (timedSamples[i] ?? 0) < policy.claimSamples) continue
    const seen = aimMs[i] ?? 0
    if (seen < seenMs) seenMs = seen
  }
  return { groupSize, seenMs: seenMs === Number.POSITIVE_INFINITY ? 0 : seenMs }
}

/**
 * The predicted times, made safe to compare; gives the shortest of the group. Whoever has only its
 * own word for its speed is not believed to be faster than the fastest that was seen at work. A
 * record worse than a newcomer's means repeats: the time grows as completion falls, so that an
 * instant failure is not a fast answer (as in peak EWMA with a failure penalty, but by evidence).
 */
function believeTimes(pool: Pool, { claimSamples }: RoutingPolicy, seenMs: number): number {
  const { inGroup, timedSamples, aimMs, timeMs, completionMean } = pool
  const usualMean = newcomer.completion.mean
  let fastestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < pool.size; i += 1) {
    let ms = aimMs[i] ?? 0
    if (ms < seenMs && (timedSamples[i] ?? 0) < claimSamples) ms = seenMs
    const mean = completionMean[i] ?? 0
    if (mean < usualMean) ms *= usualMean / Math.max(mean, 1e-6)
    timeMs[i] = ms
    if (ms < fastestMs && inGroup[i] === 1) fastestMs = ms
  }
  return fastestMs
}

function sameSpeedLimit(fastestMs: number, policy: RoutingPolicy): number {
  return Math.max(fastestMs * policy.sameSpeedFactor, fastestMs + policy.sameSpeedMs)
}

/**
 * Where everybody in the group has a queue: the others with a free slot that would be done sooner,
 * unless their record is worse than a newcomer's; of these the most reliable and those like it.
 */
function spillFrom(pool: Pool, policy: RoutingPolicy, fastestMs: number): number[] {
  const { inGroup, queueMs, timeMs, reliability, reliabilityAtBest, completionMean } = pool
  const free: number[] = []
  let best = 0
  for (let i = 0; i < pool.size; i += 1) {
    const mean = completionMean[i] ?? 0
    if (inGroup[i] === 1 || queueMs[i] !== 0 || mean < newcomer.completion.mean) continue
    if ((timeMs[i] ?? 0) >= fastestMs) continue
    free.push(i)
    best = Math.max(best, reliability[i] ?? 0)
  }
  return free.filter((i) => (reliabilityAtBest[i] ?? 0) >= best - policy.reliabilityMargin)
}
