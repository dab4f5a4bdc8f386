/**
 * The worker, with the work that it has now, would meet the objective for the first token, and with
 * room to spare: what was predicted is exceeded about as often as not. A request that was taken on
 * and failed elsewhere is not asked: late is better than never.
 */
import { type Demand, type Prediction, predict } from '../prediction.ts'
import type { Gate } from './gate.ts'
import { latencyInWords, objectiveInWords } from './latency-words.ts'

/** The longest that its first token may be predicted to take; undefined: any. */
export function latestTtftMs(
  { idleTtftMs }: Readonly<Prediction>,
  { request, policy }: Demand,
): number | undefined {
  const mostMs = request.objective.ttftMs
  return mostMs === null ? undefined : idleTtftMs + (mostMs - idleTtftMs) * policy.queueShareOfSlack
}

export const latencyAtLoadGate: Gate = {
  name: 'latency-at-load',
  temporary: true,
  applies: ({ request, tried }) => request.objective.ttftMs !== null && tried.size === 0,
  check(candidate, demand) {
    const prediction = predict(candidate, demand)
    const mostMs = latestTtftMs(prediction, demand)
    if (mostMs === undefined || prediction.ttftMs <= mostMs) return undefined
    return [prediction.ttftMs, prediction.tpotMs]
  },
  required(demand) {
    const share = Math.round(demand.policy.queueShareOfSlack * 100)
    return `${objectiveInWords(demand)}, and at most ${share} % of the time to spare in a queue`
  },
  actual: (fact) => latencyInWords(fact, 'with its present queue'),
}
