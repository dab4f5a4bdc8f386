/**
 * The worker, were it idle, would meet the request's objective for the first and each further
 * token.
 */
import { predict } from '../prediction.ts'
import type { Gate } from './gate.ts'
import { latencyInWords, objectiveInWords } from './latency-words.ts'

export const latencyGate: Gate = {
  name: 'latency',
  temporary: false,
  applies: ({ request }) => request.objective.ttftMs !== null || request.objective.tpotMs !== null,
  check(candidate, demand) {
    const { ttftMs, tpotMs } = demand.request.objective
    const prediction = predict(candidate, demand)
    const meets =
      (ttftMs === null || prediction.idleTtftMs <= ttftMs) &&
      (tpotMs === null || prediction.tpotMs <= tpotMs)
    return meets ? undefined : [prediction.idleTtftMs, prediction.tpotMs]
  },
  required: objectiveInWords,
  actual: (fact) => latencyInWords(fact, 'when idle'),
}
