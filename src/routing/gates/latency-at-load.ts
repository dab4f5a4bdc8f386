/** The worker, with the work that it has now, would meet the objective for the first token. */
import { predict } from '../prediction.ts'
import type { Gate } from './gate.ts'
import { latencyInWords, objectiveInWords } from './latency-words.ts'

export const latencyAtLoadGate: Gate = {
  name: 'latency-at-load',
  temporary: true,
  applies: ({ request }) => request.objective.ttftMs !== null,
  check(candidate, demand) {
    const most = demand.request.objective.ttftMs
    const prediction = predict(candidate, demand)
    if (most === null || prediction.ttftMs <= most) return undefined
    return [prediction.ttftMs, prediction.tpotMs]
  },
  required: objectiveInWords,
  actual: (fact) => latencyInWords(fact, 'with its present queue'),
}
