/**
 * The worker, were it idle, would meet the request's objective for the first and each further
 * token. Of an answer that has begun, late is better than never: then it is asked only as long as
 * there is another that would.
 */
import { predict } from '../prediction.ts'
import type { Gate } from './gate.ts'
import { latencyInWords, objectiveInWords } from './latency-words.ts'

export const latencyGate: Gate = {
  name: 'latency',
  temporary: false,
  applies: ({ request: { objective }, takesLate }) =>
    !takesLate && (objective.ttftMs !== null || objective.tpotMs !== null),
  check(candidate, demand) {
    const { ttftMs, tpotMs } = demand.request.objective
    const prediction = predict(candidate, demand)
    const meets =
      (ttftMs === null || prediction.idleTtftMs <= ttftMs) &&
      (tpotMs === null || prediction.idleTpotMs <= tpotMs)
    return meets ? undefined : [prediction.idleTtftMs, prediction.idleTpotMs]
  },
  required: objectiveInWords,
  actual: (fact) => latencyInWords(fact, 'when idle'),
}
