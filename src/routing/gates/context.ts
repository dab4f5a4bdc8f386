/** Prompt and requested tokens fit the model's context as this worker runs it. */
import type { Demand } from '../prediction.ts'
import type { Gate } from './gate.ts'

/** Without a wish, at least one token must fit. */
export function requiredTokens({ request }: Demand): number {
  return request.promptTokens + (request.maxTokens ?? 1)
}

export const contextGate: Gate = {
  name: 'context',
  temporary: false,
  applies: () => true,
  check(candidate, demand) {
    const most = candidate.offer?.contextTokensMax ?? 0
    // 0: the server behind the worker does not say; it will answer for itself.
    return most > 0 && most < requiredTokens(demand) ? most : undefined
  },
  required(demand) {
    const { features, maxTokens } = demand.request
    const answer = features.includes('embedding')
      ? ''
      : `, ${maxTokens ?? 1} of them for the answer`
    return `a context of ${requiredTokens(demand)} tokens${answer}`
  },
  actual: (fact) => `${fact} tokens`,
}
