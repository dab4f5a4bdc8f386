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
import type { Pool } from './pool.ts'

export interface Order {
  /** 1: cannot be told apart from the most reliable. */
  readonly inGroup: Uint8Array
  readonly groupSize: number
  /** ms until a right answer, as far as it can be believed. */
  readonly timeMs: Float64Array
  /** As reliable and as fast as the best: these take turns by load. Indices into the pool. */
  readonly alike: readonly number[]
  /** The candidates in `alike` are there because nobody more reliable has a free slot. */
  readonly spilled: boolean
  /** The first few of all, best first. Indices into the pool. */
  readonly best: readonly number[]
}

/** What two candidates are compared by. */
type Ranked = Pick<Order, 'inGroup' | 'timeMs'>

/** @param pool holds at least one candidate */
export function orderOf(pool: Pool, policy: RoutingPolicy): Order {
  const inGroup = new Uint8Array(pool.size)
  const groupSize = markGroup(pool, policy, inGroup)
  const timeMs = believedTimes(pool, policy, inGroup)
  const fastestMs = fastestOf(pool, inGroup, timeMs)
  const limitMs = sameSpeedLimit(fastestMs, policy)
  const alike: number[] = []
  let free = false
  for (let i = 0; i < pool.size; i += 1) {
    if (inGroup[i] === 0 || (timeMs[i] ?? 0) > limitMs) continue
    alike.push(i)
    if (pool.queueMs[i] === 0) free = true
  }
  const best = bestOf(pool, { inGroup, timeMs }, policy.rankingsMax)
  const spill = free ? [] : spillFrom({ pool, inGroup, timeMs, policy, fastestMs })
  const spilled = spill.length > 0
  return { inGroup, groupSize, timeMs, alike: spilled ? spill : alike, spilled, best }
}

/** Insertion into a short list: most candidates are compared with its last one and left out. */
function bestOf(pool: Pool, ranked: Ranked, rankingsMax: number): readonly number[] {
  const compare = compareRank(pool, ranked)
  // Who was chosen is compared with the best other one: two are needed in any case.
  const countMax = Math.max(2, rankingsMax)
  const best: number[] = []
  for (let i = 0; i < pool.size; i += 1) {
    let at = best.length
    if (at === countMax) {
      if (compare(i, best[at - 1] ?? 0) > 0) continue
      at -= 1
    }
    for (; at > 0 && compare(i, best[at - 1] ?? 0) < 0; at -= 1) best[at] = best[at - 1] ?? 0
    best[at] = i
  }
  return best
}

/** Negative: the candidate at `a` comes before the one at `b`. */
export function compareRank(pool: Pool, order: Ranked): (a: number, b: number) => number {
  return (a, b) => {
    const groups = (order.inGroup[b] ?? 0) - (order.inGroup[a] ?? 0)
    if (groups !== 0) return groups
    if (order.inGroup[a] === 0) {
      const reliability = (pool.reliability[b] ?? 0) - (pool.reliability[a] ?? 0)
      if (reliability !== 0) return reliability
    }
    const time = (order.timeMs[a] ?? 0) - (order.timeMs[b] ?? 0)
    if (time !== 0) return time
    return (pool.price[a] ?? 0) - (pool.price[b] ?? 0) || a - b
  }
}

export function loadOf(pool: Pool, index: number): number {
  const candidate = pool.candidates[index]
  return candidate === undefined ? 0 : occupancyOf(candidate) / slotsOf(candidate)
}

function markGroup(pool: Pool, policy: RoutingPolicy, inGroup: Uint8Array): number {
  let best = 0
  for (let i = 0; i < pool.size; i += 1) best = Math.max(best, pool.reliability[i] ?? 0)
  let groupSize = 0
  for (let i = 0; i < pool.size; i += 1) {
    if ((pool.reliabilityAtBest[i] ?? 0) < best - policy.reliabilityMargin) continue
    inGroup[i] = 1
    groupSize += 1
  }
  return groupSize
}

/**
 * The predicted times, made safe to compare. Whoever has only its own word for its speed is not
 * believed to be faster than the fastest that was seen at work. A record worse than a newcomer's
 * means repeats: the time grows as completion falls, so that an instant failure is not a fast
 * answer (as in peak EWMA with a failure penalty, but by evidence).
 */
function believedTimes(pool: Pool, policy: RoutingPolicy, inGroup: Uint8Array): Float64Array {
  let seenMs = 0
  for (let i = 0; i < pool.size; i += 1) {
    if (inGroup[i] === 0 || !wasSeen(pool, i, policy)) continue
    const totalMs = pool.totalMs[i] ?? 0
    seenMs = seenMs === 0 ? totalMs : Math.min(seenMs, totalMs)
  }
  const timeMs = new Float64Array(pool.size)
  for (let i = 0; i < pool.size; i += 1) {
    const totalMs = pool.totalMs[i] ?? 0
    const believedMs = wasSeen(pool, i, policy) ? totalMs : Math.max(totalMs, seenMs)
    const mean = pool.completionMean[i] ?? 0
    timeMs[i] = believedMs * Math.max(1, newcomer.completion.mean / Math.max(mean, 1e-6))
  }
  return timeMs
}

function wasSeen(pool: Pool, index: number, policy: RoutingPolicy): boolean {
  return (pool.timedSamples[index] ?? 0) >= policy.claimSamples
}

function fastestOf(pool: Pool, inGroup: Uint8Array, timeMs: Float64Array): number {
  let fastestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < pool.size; i += 1) {
    if (inGroup[i] === 1) fastestMs = Math.min(fastestMs, timeMs[i] ?? 0)
  }
  return fastestMs
}

function sameSpeedLimit(fastestMs: number, policy: RoutingPolicy): number {
  return Math.max(fastestMs * policy.sameSpeedFactor, fastestMs + policy.sameSpeedMs)
}

interface Spill {
  readonly pool: Pool
  readonly inGroup: Uint8Array
  readonly timeMs: Float64Array
  readonly policy: RoutingPolicy
  readonly fastestMs: number
}

/**
 * Where everybody in the group has a queue: the others with a free slot that would be done sooner,
 * unless their record is worse than a newcomer's; of these the most reliable and those like it.
 */
function spillFrom({ pool, inGroup, timeMs, policy, fastestMs }: Spill): number[] {
  const free: number[] = []
  let best = 0
  for (let i = 0; i < pool.size; i += 1) {
    const mean = pool.completionMean[i] ?? 0
    if (inGroup[i] === 1 || pool.queueMs[i] !== 0 || mean < newcomer.completion.mean) continue
    if ((timeMs[i] ?? 0) >= fastestMs) continue
    free.push(i)
    best = Math.max(best, pool.reliability[i] ?? 0)
  }
  return free.filter((i) => (pool.reliabilityAtBest[i] ?? 0) >= best - policy.reliabilityMargin)
}
