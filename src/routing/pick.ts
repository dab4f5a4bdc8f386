/**
 * Whoever has read the beginning of the prompt, within bounds; else one of the candidates that are
 * alike: power of two choices by load (Mitzenmacher, 2001), then
 * price, then chance. A small share of the requests goes to workers whose record is too short to
 * judge them by, and to those whose circuit breaker is half-open or who are on probation.
 */
import type { Random } from '../base/index.ts'
import { newcomer } from '../evidence/index.ts'
import type { WorkerId } from '../protocol/index.ts'
import type { DecidingFactor } from './decision.ts'
import { outlook, outlooksPerRow, record, recordsPerRow } from './layout.ts'
import type { Order } from './order.ts'
import type { RoutingPolicy } from './policy.ts'
import { candidateAt, isInGroup, loadAt, outlookAt, type Pool, priceAt, sourceOf } from './pool.ts'
import type { WarmWorker } from './request.ts'
import { bars } from './table.ts'

// Constants of this file, for the loops (`layout.ts`).
const cell = record
const width = recordsPerRow
const to = outlook
const widthOut = outlooksPerRow

export interface Pick {
  readonly chosen: number
  /** What the chosen one was compared with; undefined: it was alone. */
  readonly comparedWith: number | undefined
  readonly decidedBy: DecidingFactor
}

export interface PickInput {
  readonly pool: Pool
  readonly order: Order
  readonly policy: RoutingPolicy
  readonly random: Random
  /** Of the request. */
  readonly warm: readonly WarmWorker[]
}

export function pick(input: PickInput): Pick {
  const { pool, order } = input
  if (pool.size === 1) return { chosen: 0, comparedWith: undefined, decidedBy: 'only' }
  const learned = learn(input)
  if (learned !== undefined) return { ...learned, comparedWith: bestOther(order, learned.chosen) }
  const stays = stayWith(input)
  if (stays !== undefined) return stays
  const chosen = amongAlike(input)
  if (!order.spilled) return chosen
  return { ...chosen, comparedWith: bestOther(order, chosen.chosen), decidedBy: 'spill' }
}

/**
 * Whoever read the beginning of the prompt last, as long as it is as reliable as the best, not much
 * slower, and has hardly more to do: so a conversation does not move for a small difference, nor
 * does a beginning that many share pile up at one worker.
 */
function stayWith({ pool, order, policy, warm }: PickInput): Pick | undefined {
  for (const { worker } of warm) {
    const index = indexOf(pool, worker)
    if (index === undefined || !isInGroup(pool, index)) continue
    if (outlookAt(pool, index, outlook.queueMs) !== 0) continue
    if (outlookAt(pool, index, outlook.timeMs) > order.stayMs) continue
    if (loadAt(pool, index) > leastLoad(pool, order) + policy.affinityLoadMax) continue
    return { chosen: index, comparedWith: bestOther(order, index), decidedBy: 'affinity' }
  }
  return undefined
}

function indexOf(pool: Pool, worker: WorkerId): number | undefined {
  for (let i = 0; i < pool.size; i += 1) if (candidateAt(pool, i)?.id === worker) return i
  return undefined
}

function leastLoad(pool: Pool, { alike }: Order): number {
  let least = Number.POSITIVE_INFINITY
  for (let at = 0; at < alike; at += 1) {
    least = Math.min(least, loadAt(pool, pool.takers[at] as number))
  }
  return least
}

/** @param order.alike is one at least */
function amongAlike(input: PickInput): Pick {
  const { pool, order, random } = input
  const { alike } = order
  const first = pool.takers[alike === 1 ? 0 : random.below(alike)] as number
  if (alike === 1) {
    const other = bestOther(order, first)
    const decidedBy = isInGroup(pool, other) ? 'time' : 'reliability'
    return { chosen: first, comparedWith: other, decidedBy }
  }
  const second = otherThan(first, input)
  const byLoad = loadAt(pool, first) - loadAt(pool, second)
  if (byLoad !== 0) return choice([first, second], byLoad, 'load')
  const byPrice = priceAt(pool, first) - priceAt(pool, second)
  if (byPrice !== 0) return choice([first, second], byPrice, 'price')
  return { chosen: first, comparedWith: second, decidedBy: 'chance' }
}

function choice(pair: readonly [number, number], by: number, decidedBy: DecidingFactor): Pick {
  const [first, second] = pair
  return by < 0
    ? { chosen: first, comparedWith: second, decidedBy }
    : { chosen: second, comparedWith: first, decidedBy }
}

function otherThan(first: number, { pool, order: { alike }, random }: PickInput): number {
  const other = pool.takers[random.below(alike - 1)] as number
  return other === first ? (pool.takers[alike - 1] as number) : other
}

/** Rarely, somebody else is asked, to learn of it. */
function learn(input: PickInput): Omit<Pick, 'comparedWith'> | undefined {
  const { policy, random } = input
  if (random.float() >= policy.explorationShare) return undefined
  const probed = halfOpen(input)
  if (probed !== undefined) return { chosen: probed, decidedBy: 'probe' }
  const explored = explore(input)
  return explored === undefined ? undefined : { chosen: explored, decidedBy: 'exploration' }
}

/**
 * Somebody else with a short record and a free slot. The longer the record or the more
 * failures in it, the less likely: a worker that only fails soon gets next to nothing, and yet can
 * come back.
 */
function explore({ pool, policy, random }: PickInput): number | undefined {
  const { size, rows, outlooks, alike, listed: unproven } = pool
  const { explorationSamplesMax } = policy
  const { barred, extremes } = sourceOf(pool).table
  if ((extremes.barred & bars.unproven) === 0) return undefined
  // Those of a half-open breaker, or on probation, have their own turn.
  const doubted = bars.broken | bars.waiting | bars.probed | bars.probation
  const asked = bars.unproven | doubted
  let count = 0
  for (let i = 0; i < size; i += 1) {
    if (((barred[rows[i] as number] as number) & asked) !== bars.unproven) continue
    if (outlooks[i * widthOut + to.queueMs] !== 0 || alike[i] === 1) continue
    unproven[count] = i
    count += 1
  }
  if (count === 0) return undefined
  const index = unproven[random.below(count)] as number
  const completion = candidateAt(pool, index)?.evidence.completion ?? newcomer.completion
  const promise = Math.min(1, completion.mean / newcomer.completion.mean)
  const needed = 1 - completion.samples / explorationSamplesMax
  return random.float() < promise * promise * needed ? index : undefined
}

/**
 * Somebody whose circuit breaker is half-open, or who is on probation: what it does with a single
 * request is to be known soon. The worse its record is by now, the less likely, and by the square,
 * as for those with a short record: who only fails is not asked for ever.
 */
function halfOpen({ pool, random }: PickInput): number | undefined {
  const { size, rows, alike, listed: waiting } = pool
  const { barred, extremes, records } = sourceOf(pool).table
  if ((extremes.barred & (bars.probed | bars.probation)) === 0) return undefined
  let count = 0
  for (let i = 0; i < size; i += 1) {
    const bits = barred[rows[i] as number] as number
    if ((bits & (bars.probed | bars.probation)) === 0 || alike[i] === 1) continue
    waiting[count] = i
    count += 1
  }
  if (count === 0) return undefined
  const index = waiting[random.below(count)] as number
  const mean = records[(rows[index] as number) * width + cell.completionMean] as number
  const promise = mean / newcomer.completion.mean
  return promise >= 1 || random.float() < promise * promise ? index : undefined
}

function bestOther({ best }: Order, index: number): number {
  const [first = 0, second = 0] = best
  return first === index ? second : first
}
