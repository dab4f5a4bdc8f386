/**
 * The eligible candidates of one decision as bare numbers, so that ordering thousands stays cheap.
 */
import { assert } from '../base/index.ts'
import type { Candidate } from './candidate.ts'
import { outlook, outlooksPerRow, time, timesPerRow } from './layout.ts'
import { type Demand, newOutlooks, type Outlooks } from './prediction.ts'
import type { CandidateTable } from './table.ts'

/** Only the first `size` rows are this decision's. */
export interface Pool extends Outlooks {
  /** Of whose rows it is; both are undefined between decisions. */
  table: CandidateTable | undefined
  demand: Demand | undefined
  /** The request has an objective. */
  isTimed: boolean
  /** With one: the probability that it is met. */
  readonly timely: Float64Array
  /** For the order: 1: takes turns with those like it. */
  readonly alike: Uint8Array
  /** For the order: who takes turns, one after the other. */
  readonly takers: Uint32Array
  /** To be filled by whoever needs a list for a moment. */
  readonly listed: Uint32Array
}

const pricedTokens = 1_000_000
/** Of a network that fits on a desk; larger ones make it grow. */
const firstCapacity = 64

function newPool(capacity: number): Pool {
  return {
    ...newOutlooks(capacity),
    table: undefined,
    demand: undefined,
    isTimed: false,
    timely: new Float64Array(capacity),
    alike: new Uint8Array(capacity),
    takers: new Uint32Array(capacity),
    listed: new Uint32Array(capacity),
  }
}

/**
 * One for all decisions: allocating the columns anew took longer than a decision among few. A
 * decision runs to its end before another begins, and keeps nothing of it.
 */
let shared = newPool(firstCapacity)

/** An empty pool with room for all in the table; the one before is given up. */
export function takePool(table: CandidateTable, demand: Demand): Pool {
  const { size } = table
  const { length } = shared.rows
  if (size > length) shared = newPool(Math.max(size, length * 2))
  shared.size = 0
  shared.table = table
  shared.demand = demand
  const { ttftMs, tpotMs } = demand.request.objective
  shared.isTimed = ttftMs !== null || tpotMs !== null
  return shared
}

/** The candidates are not held on to until the next decision. */
export function leavePool(pool: Pool): void {
  pool.table = undefined
  pool.demand = undefined
}

/** Of a pool that is in use. */
export function sourceOf({ table, demand }: Pool): { table: CandidateTable; demand: Demand } {
  assert(table !== undefined && demand !== undefined, 'a pool is read while a decision is made')
  return { table, demand }
}

/**
 * What was worked out of a candidate; `value` is one of `outlook`. Times are as they came: what is
 * shown of them is `bounded`.
 */
export function outlookAt({ outlooks }: Pool, index: number, value: number): number {
  return outlooks[index * outlooksPerRow + value] as number
}

/** It cannot be told apart from the most reliable. */
export function isInGroup(pool: Pool, index: number): boolean {
  return outlookAt(pool, index, outlook.groupMs) !== Number.POSITIVE_INFINITY
}

export function candidateAt({ table, rows }: Pool, index: number): Candidate | undefined {
  return table?.candidates[rows[index] ?? -1]
}

/** Requests there per slot. */
export function loadAt(pool: Pool, index: number): number {
  const { table } = sourceOf(pool)
  const row = pool.rows[index] as number
  const occupancy = table.times[row * timesPerRow + time.occupancy] as number
  return occupancy / (table.slots[row] as number)
}

/** Of this request. */
export function priceAt(pool: Pool, index: number): number {
  const { table, demand } = sourceOf(pool)
  const row = pool.rows[index] as number
  const prompt = (table.promptPrice[row] as number) * demand.request.promptTokens
  const answer = (table.completionPrice[row] as number) * demand.completionTokens
  return (prompt + answer) / pricedTokens
}
