/**
 * The worker, with the work that it has now, would meet the objective for the first token, and with
 * room to spare: what was predicted is exceeded about as often as not. A request that was taken on
 * and failed elsewhere is not asked: late is better than never.
 */
import { predict } from '../prediction.ts'
import type { Gate } from './gate.ts'
import { latencyInWords, objectiveInWords } from './latency-words.ts'

/**
 * The longest that its first token may be predicted to take.
 * @param mostMs the objective; Infinity: there is none
 * @param share of the policy, `queueShareOfSlack`
 */
export function latestTtftMs(idleTtftMs: number, mostMs: number, share: number): number {
  return mostMs === anyMs ? anyMs : idleTtftMs + (mostMs - idleTtftMs) * share
}

const anyMs = Number.POSITIVE_INFINITY

export const latencyAtLoadGate: Gate = {
  name: 'latency-at-load',
  temporary: true,
  applies: ({ request: { objective }, tried }) =>
    tried.size === 0 && (objective.ttftMs !== null || objective.tpotMs !== null),
  check(candidate, demand) {
    const { policy, request } = demand
    const { ttftMs, tpotMs } = request.objective
    const prediction = predict(candidate, demand)
    const { idleTtftMs } = prediction
    const latestMs = latestTtftMs(idleTtftMs, ttftMs ?? anyMs, policy.queueShareOfSlack)
    if (prediction.ttftMs <= latestMs && prediction.tpotMs <= (tpotMs ?? anyMs)) return undefined
    return [prediction.ttftMs, prediction.tpotMs]
  },
  required(demand) {
    const share = Math.round(demand.policy.queueShareOfSlack * 100)
    return `${objectiveInWords(demand)}, and at most ${share} % of the time to spare in a queue`
  },
  actual: (fact) => latencyInWords(fact, 'with its present queue'),
}
