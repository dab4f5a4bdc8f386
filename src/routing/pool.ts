/**
 * The eligible candidates of one decision, a column per number, so that ordering thousands stays
 * cheap.
 */
import { survival } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import type { Demand } from './prediction.ts'
import type { CandidateTable } from './table.ts'
import { type Timeliness, timelinessOf } from './timeliness.ts'

/** Only the first `size` values of a column are this decision's. */
export interface Pool {
  table: CandidateTable | undefined
  /** Of the table. */
  readonly rows: Uint32Array
  size: number
  /** Probability that the objective is met. */
  readonly timely: Float64Array
  /** Lower bound of the probability of a complete and right answer in time. */
  readonly reliability: Float64Array
  /** Upper bound of the same. */
  readonly reliabilityAtBest: Float64Array
  readonly queueMs: Float64Array
  readonly ttftMs: Float64Array
  readonly totalMs: Float64Array
  /** What is to be soon: the first token, where there is an objective for it, else the last. */
  readonly aimMs: Float64Array
  readonly price: Float64Array
  /** Expected probability of a complete answer. */
  readonly completionMean: Float64Array
  /** Observations of the completion, after decay. */
  readonly samples: Float64Array
  /** Observations of the time to the first token, after decay. */
  readonly timedSamples: Float64Array
  /** For the order: ms until a right answer, as far as it can be believed. */
  readonly timeMs: Float64Array
  /** For the order: 1: cannot be told apart from the most reliable. */
  readonly inGroup: Uint8Array
  /** For the order: 1: takes turns with those like it. */
  readonly alike: Uint8Array
}

const pricedTokens = 1_000_000
/** Of a network that fits on a desk; larger ones make it grow. */
const firstCapacity = 64

function newPool(capacity: number): Pool {
  const column = () => new Float64Array(capacity)
  return {
    table: undefined,
    rows: new Uint32Array(capacity),
    size: 0,
    timely: column(),
    reliability: column(),
    reliabilityAtBest: column(),
    queueMs: column(),
    ttftMs: column(),
    totalMs: column(),
    aimMs: column(),
    price: column(),
    completionMean: column(),
    samples: column(),
    timedSamples: column(),
    timeMs: column(),
    inGroup: new Uint8Array(capacity),
    alike: new Uint8Array(capacity),
  }
}

/**
 * One for all decisions: allocating the columns anew took longer than a decision among few. A
 * decision runs to its end before another begins, and keeps nothing of it.
 */
let shared = newPool(firstCapacity)

/** An empty pool with room for all in the table; the one before is given up. */
export function takePool(table: CandidateTable): Pool {
  const { size } = table
  if (size > shared.timely.length) shared = newPool(Math.max(size, shared.timely.length * 2))
  shared.size = 0
  shared.table = table
  return shared
}

/** The candidates are not held on to until the next decision. */
export function leavePool(pool: Pool): void {
  pool.table = undefined
}

export function candidateAt({ table, rows }: Pool, index: number): Candidate | undefined {
  return table?.candidates[rows[index] ?? -1]
}

/** The candidate in this row of the table, whose prediction the demand has. */
export function addToPool(pool: Pool, row: number, demand: Demand): void {
  const table = pool.table as CandidateTable
  const { prediction } = demand
  const i = pool.size
  const { totalMs } = prediction
  const { request, completionTokens } = demand
  const { ttftMs, tpotMs } = request.objective
  const hasObjective = ttftMs !== null || tpotMs !== null
  const timely = hasObjective ? timelinessOf(table, row, demand) : surely
  const staysAtLeast = survival(table.hazardUpper[row] as number, totalMs)
  const staysAtMost = survival(table.hazardLower[row] as number, totalMs)
  const prompt = (table.promptPrice[row] as number) * request.promptTokens
  const answer = (table.completionPrice[row] as number) * completionTokens
  pool.rows[i] = row
  pool.timely[i] = timely.mean
  pool.reliability[i] = (table.soundAtLeast[row] as number) * staysAtLeast * timely.lower
  pool.reliabilityAtBest[i] = (table.soundAtMost[row] as number) * staysAtMost * timely.upper
  pool.queueMs[i] = prediction.queueMs
  pool.ttftMs[i] = prediction.ttftMs
  pool.totalMs[i] = totalMs
  pool.aimMs[i] = ttftMs === null ? totalMs : prediction.ttftMs
  pool.price[i] = (prompt + answer) / pricedTokens
  pool.completionMean[i] = table.completionMean[row] as number
  pool.samples[i] = table.samples[row] as number
  pool.timedSamples[i] = table.timedSamples[row] as number
  pool.size = i + 1
}

const surely: Timeliness = { mean: 1, lower: 1, upper: 1 }
