/**
 * The eligible candidates of one decision, a column per number, so that ordering thousands stays
 * cheap.
 */
import type { Candidate } from './candidate.ts'
import { type Demand, emptyPrediction, predict, timelyProbability } from './prediction.ts'

export interface Pool {
  readonly candidates: readonly Candidate[]
  readonly size: number
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
}

const pricedTokens = 1_000_000

export function poolOf(candidates: readonly Candidate[], demand: Demand): Pool {
  const size = candidates.length
  const column = () => new Float64Array(size)
  const pool = {
    candidates,
    size,
    timely: column(),
    reliability: column(),
    reliabilityAtBest: column(),
    queueMs: column(),
    ttftMs: column(),
    totalMs: column(),
    price: column(),
  }
  const prediction = emptyPrediction()
  let i = 0
  for (const candidate of candidates) {
    predict(candidate, demand, prediction)
    const timely = timelyProbability(candidate, demand, prediction)
    const { completion } = candidate.evidence
    pool.timely[i] = timely
    pool.reliability[i] = completion.lowerBound * timely
    pool.reliabilityAtBest[i] = completion.upperBound * timely
    pool.queueMs[i] = prediction.queueMs
    pool.ttftMs[i] = prediction.ttftMs
    pool.totalMs[i] = prediction.totalMs
    pool.price[i] = priceOf(candidate, demand)
    i += 1
  }
  return pool
}

/** Expected price of the request, micro-dollars. */
function priceOf(candidate: Candidate, demand: Demand): number {
  const { promptPrice = 0, completionPrice = 0 } = candidate.offer ?? {}
  const prompt = promptPrice * demand.request.promptTokens
  return (prompt + completionPrice * demand.completionTokens) / pricedTokens
}
