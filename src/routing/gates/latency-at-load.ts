/**
 * The worker, with the work that it has now, would meet the objective for the first token, and with
 * room to spare: what was predicted is exceeded about as often as not. A request that was taken on
 * and failed elsewhere is not asked: late is better than never.
 */
import { type Demand, predict } from '../prediction.ts'
import type { Gate } from './gate.ts'
import { latencyInWords, objectiveInWords } from './latency-words.ts'

/** The longest that its first token may be predicted to take; undefined: any. */
export function latestTtftMs(idleTtftMs: number, { request, policy }: Demand): number | undefined {
  const mostMs = request.objective.ttftMs
  return mostMs === null ? undefined : idleTtftMs + (mostMs - idleTtftMs) * policy.queueShareOfSlack
}

const anyMs = Number.POSITIVE_INFINITY

export const latencyAtLoadGate: Gate = {
  name: 'latency-at-load',
  temporary: true,
  applies: ({ request: { objective }, tried }) =>
    tried.size === 0 && (objective.ttftMs !== null || objective.tpotMs !== null),
  check(candidate, demand) {
    const prediction = predict(candidate, demand)
    const mostMs = latestTtftMs(prediction.idleTtftMs, demand)
    const isSoon = mostMs === undefined || prediction.ttftMs <= mostMs
    if (isSoon && prediction.tpotMs <= (demand.request.objective.tpotMs ?? anyMs)) return undefined
    return [prediction.ttftMs, prediction.tpotMs]
  },
  required(demand) {
    const share = Math.round(demand.policy.queueShareOfSlack * 100)
    return `${objectiveInWords(demand)}, and at most ${share} % of the time to spare in a queue`
  },
  actual: (fact) => latencyInWords(fact, 'with its present queue'),
}
