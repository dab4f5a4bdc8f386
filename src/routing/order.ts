/**
 * The order of the eligible: reliability first, then time, then price.
 *
 * A candidate cannot be told apart from the most reliable one while its upper bound reaches that
 * one's lower bound: it leaves the group once the evidence tells them apart (successive
 * elimination, Even-Dar, Mannor and Mansour, 2006). Within the group the time until a right answer
 * decides.
 */
import { newcomer, noneOf } from '../evidence/index.ts'
import { outlook, outlooksShift, record, recordsShift, rowMask } from './layout.ts'
import type { RoutingPolicy } from './policy.ts'
import { isInGroup, outlookAt, type Pool, priceAt, sourceOf } from './pool.ts'
import { reliabilityAt, reliabilityAtBestAt } from './reliability.ts'

// Constants of this file, for the loops (`layout.ts`).
const mask = rowMask
const cell = record
const shift = recordsShift
const to = outlook
const shiftOut = outlooksShift
const usualMean = newcomer.completion.mean

export interface Order {
  /** How many cannot be told apart from the most reliable. */
  readonly groupSize: number
  /** How many are as reliable and as fast as the best: the pool's `takers` take turns by load. */
  readonly alike: number
  /** Up to this predicted time whoever has read the beginning of the prompt stays one of them. */
  readonly stayMs: number
  /** They take turns because nobody more reliable has a free slot. */
  readonly spilled: boolean
  /** The first few of all, best first. Indices into the pool. */
  readonly best: readonly number[]
}

/**
 * @param pool holds at least one candidate
 * @param soonMs whoever is done by then is as fast as need be; 0: nobody says what is
 */
export function orderOf(pool: Pool, policy: RoutingPolicy, soonMs = 0): Order {
  const { groupSize, fastestMs } = markGroup(pool, policy)
  const limitMs = Math.max(sameSpeedLimit(fastestMs, policy), soonMs)
  // Who was chosen is compared with the best other one: two are needed in any case.
  const best = bestOf(pool, Math.max(2, policy.rankingsMax))
  const { turns, free } = takeTurns(pool, limitMs)
  const spill = free ? 0 : spillFrom(pool, policy, fastestMs)
  const alike = spill > 0 ? spill : turns
  return { groupSize, alike, stayMs: limitMs * policy.stayFactor, spilled: spill > 0, best }
}

/**
 * Marks those that cannot be told apart from the most reliable, and makes the predicted times safe
 * to compare; gives the shortest of the group. Whoever has only its own word for its speed is not
 * believed to be faster than the fastest of the group that was seen at work. A record worse than a
 * newcomer's means repeats: the time grows as completion falls, so that an instant failure is not a
 * fast answer (as in peak EWMA with a failure penalty, but by evidence).
 */
function markGroup(pool: Pool, policy: RoutingPolicy) {
  const { size, rows, outlooks, listed } = pool
  const { records } = sourceOf(pool).table
  const { claimSamples, reliabilityMargin } = policy
  const aimed = aimOf(pool)
  const weighed = weigh(pool, aimed, policy)
  const least = weighed.surest - reliabilityMargin
  let { count, seenMs, fastestMs } = weighed
  if (weighed.othersAtLeast < least + roundingMax) {
    // The surest came late: anybody before it may be told apart from it.
    for (count = 0; count < size; count += 1) listed[count] = count
    seenMs = Number.POSITIVE_INFINITY
    fastestMs = Number.POSITIVE_INFINITY
  }
  let groupSize = size
  for (let one = 0; one < count; one += 1) {
    const i = listed[one] as number
    const out = i << shiftOut
    if (reliabilityAtBestAt(pool, i) < least) {
      outlooks[out + to.groupMs] = Number.POSITIVE_INFINITY
      groupSize -= 1
    } else if (
      (records[((rows[i] as number) << shift) + cell.timedSamples] as number) >= claimSamples
    ) {
      seenMs = Math.min(seenMs, outlooks[out + aimed] as number)
      fastestMs = Math.min(fastestMs, outlooks[out + to.timeMs] as number)
    }
  }
  for (let one = 0; one < count; one += 1) {
    const i = listed[one] as number
    const at = (rows[i] as number) << shift
    if ((records[at + cell.timedSamples] as number) >= claimSamples) continue
    const out = i << shiftOut
    const aim = outlooks[out + aimed] as number
    const isSooner = aim < seenMs && seenMs !== Number.POSITIVE_INFINITY
    const ms = (isSooner ? seenMs : aim) * (records[at + cell.repeats] as number)
    outlooks[out + to.timeMs] = ms
    if (!isInGroup(pool, i)) continue
    outlooks[out + to.groupMs] = ms
    fastestMs = Math.min(fastestMs, ms)
  }
  return { groupSize, fastestMs }
}

/** Whose reliability was the highest of the last decision: it shows soon whom to doubt. */
let surestBefore = 0

/**
 * The highest lower bound of all, and the times as if all were in the group; lists those of whom
 * that has to be looked at, or whose times nobody has seen.
 */
function weigh(pool: Pool, aimed: number, { claimSamples, reliabilityMargin }: RoutingPolicy) {
  const { size, rows, isTimed, outlooks, listed } = pool
  const { records } = sourceOf(pool).table
  let surestAt = surestBefore < size ? surestBefore : 0
  let surest = reliabilityAt(pool, surestAt)
  let doubted = surest - reliabilityMargin + roundingMax
  let othersAtLeast = Number.POSITIVE_INFINITY
  let count = 0
  let seenMs = Number.POSITIVE_INFINITY
  let fastestMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < size; i += 1) {
    const at = ((rows[i] as number) & mask) << shift
    const out = (i & mask) << shiftOut
    const totalMs = outlooks[out + to.totalMs] as number
    const ends = (records[at + cell.hazardUpper] as number) * totalMs
    // It stays with less than the first three terms of the series, and more than the first two.
    let sure = (records[at + cell.soundAtLeast] as number) * (1 - ends + (ends * ends) / 2)
    let most =
      (records[at + cell.soundAtMost] as number) *
      (1 - (records[at + cell.hazardLower] as number) * totalMs)
    if (isTimed === true) {
      sure *= outlooks[out + to.timelyAtLeast] as number
      most *= outlooks[out + to.timelyAtMost] as number
    }
    if (sure + roundingMax > surest) {
      let exact = (records[at + cell.soundAtLeast] as number) * noneOf(ends)
      if (isTimed === true) exact *= outlooks[out + to.timelyAtLeast] as number
      if (exact > surest) {
        surest = exact
        surestAt = i
        doubted = surest - reliabilityMargin + roundingMax
      }
    }
    const aim = outlooks[out + aimed] as number
    const ms = aim * (records[at + cell.repeats] as number)
    outlooks[out + to.timeMs] = ms
    outlooks[out + to.groupMs] = ms
    if (most < doubted || (records[at + cell.timedSamples] as number) < claimSamples) {
      listed[count] = i
      count += 1
    } else {
      if (most < othersAtLeast) othersAtLeast = most
      if (aim < seenMs) seenMs = aim
      if (ms < fastestMs) fastestMs = ms
    }
  }
  surestBefore = surestAt
  return { surest, othersAtLeast, count, seenMs, fastestMs }
}

/** What is to be soon: the first token, where there is an objective for it, else the last. */
function aimOf(pool: Pool): number {
  const { ttftMs } = sourceOf(pool).demand.request.objective
  return ttftMs === null ? outlook.totalMs : outlook.ttftMs
}

/** Marks whoever of the group is done by then. */
function takeTurns(
  pool: Pool,
  limitMs: number,
): { readonly turns: number; readonly free: boolean } {
  const { size, outlooks, alike, takers } = pool
  alike.fill(0, 0, size)
  let turns = 0
  let free = false
  for (let i = nextWithin(pool, 0, limitMs); i < size; i = nextWithin(pool, i + 1, limitMs)) {
    alike[i] = 1
    takers[turns] = i
    turns += 1
    if (outlooks[(i << shiftOut) + to.queueMs] === 0) free = true
  }
  return { turns, free }
}

/** Insertion into a short list: most are only compared with its last one. */
function bestOf(pool: Pool, countMax: number): readonly number[] {
  const best: number[] = []
  /** Where there are as many as may be, of the last one: whoever is slower comes behind. */
  let lastMs = Number.POSITIVE_INFINITY
  let i = nextWithin(pool, 0, lastMs)
  for (; i < pool.size; i = nextWithin(pool, i + 1, lastMs)) {
    insert(pool, i, { best, countMax })
    const last = best[countMax - 1]
    if (last !== undefined) lastMs = outlookAt(pool, last, to.groupMs)
  }
  return best
}

/** A loop with nothing else in it, which V8 makes a short one. */
function nextWithin({ size, outlooks }: Pool, from: number, ms: number): number {
  let i = from
  while (i < size && (outlooks[((i & mask) << shiftOut) + to.groupMs] as number) > ms) i += 1
  return i
}

interface BestList {
  readonly best: number[]
  readonly countMax: number
}

function insert(pool: Pool, i: number, { best, countMax }: BestList): void {
  const ms = outlookAt(pool, i, to.groupMs)
  let at = best.length
  for (; at > 0; at -= 1) {
    const other = best[at - 1] as number
    const otherMs = outlookAt(pool, other, to.groupMs)
    // Nearly all are told apart by one number.
    if (ms > otherMs || (ms === otherMs && compareRank(pool, i, other) > 0)) break
    if (at < countMax) best[at] = other
  }
  if (at < countMax) best[at] = i
}

/** Negative: the candidate at `a` comes before the one at `b`. */
function compareRank(pool: Pool, a: number, b: number): number {
  const [isIn, isOtherIn] = [isInGroup(pool, a), isInGroup(pool, b)]
  if (isIn !== isOtherIn) return isIn ? -1 : 1
  if (!isIn) {
    const reliable = reliabilityAt(pool, b) - reliabilityAt(pool, a)
    if (reliable !== 0) return reliable
  }
  const time = outlookAt(pool, a, outlook.timeMs) - outlookAt(pool, b, outlook.timeMs)
  if (time !== 0) return time
  return priceAt(pool, a) - priceAt(pool, b) || a - b
}

/** Of a few operations on numbers up to 1, by far. */
const roundingMax = 1e-12

/** Its place among all, from 1 on. */
export function rankNumber(pool: Pool, index: number): number {
  const { size, outlooks } = pool
  const ms = outlookAt(pool, index, outlook.groupMs)
  let rank = 1
  let same = 0
  for (let i = 0; i < size; i += 1) {
    const one = outlooks[((i & mask) << shiftOut) + to.groupMs] as number
    if (one < ms) rank += 1
    else if (one === ms) same += 1
  }
  for (let i = 0; i < size && same > 1; i += 1) {
    if (outlookAt(pool, i, to.groupMs) !== ms) continue
    if (compareRank(pool, i, index) < 0) rank += 1
  }
  return rank
}

function sameSpeedLimit(fastestMs: number, policy: RoutingPolicy): number {
  return Math.max(fastestMs * policy.sameSpeedFactor, fastestMs + policy.sameSpeedMs)
}

/**
 * Where everybody in the group has a queue: the others with a free slot that would be done sooner,
 * unless their record is worse than a newcomer's; of these the most reliable and those like it.
 * These take turns then. @returns how many they are
 */
function spillFrom(pool: Pool, policy: RoutingPolicy, fastestMs: number): number {
  const { size, rows, alike, takers, listed: free } = pool
  const { records } = sourceOf(pool).table
  let count = 0
  let best = 0
  for (let i = 0; i < size; i += 1) {
    if (isInGroup(pool, i) || outlookAt(pool, i, outlook.queueMs) !== 0) continue
    if (outlookAt(pool, i, outlook.timeMs) >= fastestMs) continue
    const mean = records[((rows[i] as number) << shift) + cell.completionMean] as number
    if (mean < usualMean) continue
    free[count] = i
    count += 1
    best = Math.max(best, reliabilityAt(pool, i))
  }
  if (count === 0) return 0
  alike.fill(0, 0, size)
  let spill = 0
  for (let at = 0; at < count; at += 1) {
    const i = free[at] as number
    if (reliabilityAtBestAt(pool, i) < best - policy.reliabilityMargin) continue
    alike[i] = 1
    takers[spill] = i
    spill += 1
  }
  return spill
}
