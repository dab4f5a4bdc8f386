/** Neither the prompt's nor the completion's price is over the request's cap. */
import type { Gate } from './gate.ts'

export const priceGate: Gate = {
  name: 'price',
  temporary: false,
  applies: ({ request }) => request.maxPrice !== null,
  check(candidate, { request }) {
    const { promptPrice = 0, completionPrice = 0 } = candidate.offer ?? {}
    const cap = request.maxPrice ?? Number.POSITIVE_INFINITY
    return promptPrice <= cap && completionPrice <= cap ? undefined : [promptPrice, completionPrice]
  },
  required: ({ request }) => `at most ${request.maxPrice} µ$ per million tokens`,
  actual: (fact) =>
    Array.isArray(fact)
      ? `${fact[0]} µ$ (prompt) and ${fact[1]} µ$ (completion) per million tokens`
      : `${fact}`,
}
