/**
 * The eligible candidates of one decision, a column per number, so that ordering thousands stays
 * cheap.
 */
import type { Candidate } from './candidate.ts'
import { type Demand, predict, timelyProbability } from './prediction.ts'

export interface Pool {
  readonly candidates: Candidate[]
  size: number
  /** Probability that the objective is met. */
  readonly timely: Float64Array
  /** Lower bound of the probability of a complete answer in time. */
  readonly reliability: Float64Array
  /** Upper bound of the same. */
  readonly reliabilityAtBest: Float64Array
  readonly queueMs: Float64Array
  readonly ttftMs: Float64Array
  readonly totalMs: Float64Array
  readonly price: Float64Array
  /** Expected probability of a complete answer. */
  readonly completionMean: Float64Array
  /** Observations of the completion, after decay. */
  readonly samples: Float64Array
  /** Observations of the time to the first token, after decay. */
  readonly timedSamples: Float64Array
}

const columns = 10
const pricedTokens = 1_000_000

export function emptyPool(sizeMax: number): Pool {
  // One allocation for all columns.
  const values = new Float64Array(columns * sizeMax)
  const column = (number: number) => values.subarray(number * sizeMax, (number + 1) * sizeMax)
  return {
    candidates: [],
    size: 0,
    timely: column(0),
    reliability: column(1),
    reliabilityAtBest: column(2),
    queueMs: column(3),
    ttftMs: column(4),
    totalMs: column(5),
    price: column(6),
    completionMean: column(7),
    samples: column(8),
    timedSamples: column(9),
  }
}

export function addToPool(pool: Pool, candidate: Candidate, demand: Demand): void {
  const i = pool.size
  const prediction = predict(candidate, demand)
  const timely = timelyProbability(candidate, demand, prediction)
  const { completion, ttft } = candidate.evidence
  pool.timely[i] = timely
  pool.reliability[i] = completion.lowerBound * timely
  pool.reliabilityAtBest[i] = completion.upperBound * timely
  pool.queueMs[i] = prediction.queueMs
  pool.ttftMs[i] = prediction.ttftMs
  pool.totalMs[i] = prediction.totalMs
  pool.price[i] = priceOf(candidate, demand)
  pool.completionMean[i] = completion.mean
  pool.samples[i] = completion.samples
  pool.timedSamples[i] = ttft === undefined ? 0 : ttft.samples
  pool.candidates.push(candidate)
  pool.size = i + 1
}

/** Expected price of the request, micro-dollars. */
function priceOf(candidate: Candidate, demand: Demand): number {
  const { offer } = candidate
  if (offer === null) return 0
  const prompt = offer.promptPrice * demand.request.promptTokens
  return (prompt + offer.completionPrice * demand.completionTokens) / pricedTokens
}
