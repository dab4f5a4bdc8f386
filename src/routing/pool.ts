/**
 * The eligible candidates of one decision, a column per number, so that ordering thousands stays
 * cheap.
 */
import { survival } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import { type Demand, predict } from './prediction.ts'
import { type Timeliness, timelinessOf } from './timeliness.ts'

/** Only the first `size` values of a column are this decision's. */
export interface Pool {
  readonly candidates: Candidate[]
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
    candidates: [],
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

/** An empty pool with room; the one before is given up. */
export function takePool(sizeMax: number): Pool {
  if (sizeMax > shared.timely.length) shared = newPool(Math.max(sizeMax, shared.timely.length * 2))
  shared.size = 0
  shared.candidates.length = 0
  return shared
}

/** The candidates are not held on to until the next decision. */
export function leavePool(pool: Pool): void {
  pool.candidates.length = 0
}

export function addToPool(pool: Pool, candidate: Candidate, demand: Demand): void {
  const i = pool.size
  const prediction = predict(candidate, demand)
  const { totalMs } = prediction
  const { objective } = demand.request
  const hasObjective = objective.ttftMs !== null || objective.tpotMs !== null
  const timely = hasObjective ? timelinessOf(candidate, demand, prediction) : surely
  const { clean, completion, hazard, ttft } = candidate.evidence
  const availability = survival(hazard.upper, totalMs)
  const least = completion.lowerBound * clean.lowerBound * availability
  const most = completion.upperBound * clean.upperBound * survival(hazard.lower, totalMs)
  pool.timely[i] = timely.mean
  pool.reliability[i] = least * timely.lower
  pool.reliabilityAtBest[i] = most * timely.upper
  pool.queueMs[i] = prediction.queueMs
  pool.ttftMs[i] = prediction.ttftMs
  pool.totalMs[i] = prediction.totalMs
  pool.aimMs[i] = objective.ttftMs === null ? totalMs : prediction.ttftMs
  pool.price[i] = priceOf(candidate, demand)
  pool.completionMean[i] = completion.mean
  pool.samples[i] = completion.samples
  pool.timedSamples[i] = ttft === undefined ? 0 : ttft.samples
  pool.candidates.push(candidate)
  pool.size = i + 1
}

const surely: Timeliness = { mean: 1, lower: 1, upper: 1 }

/** Expected price of the request, micro-dollars. */
function priceOf(candidate: Candidate, demand: Demand): number {
  const { offer } = candidate
  if (offer === null) return 0
  const prompt = offer.promptPrice * demand.request.promptTokens
  return (prompt + offer.completionPrice * demand.completionTokens) / pricedTokens
}
