/**
 * How many tokens an answer is taken to have. Gates and prices go by what the policy assumes; times
 * go by what this model’s answers had lately, the more of them were seen.
 */
import type { RoutingPolicy } from './policy.ts'
import type { RouteRequest } from './request.ts'

type Asked = Pick<RouteRequest, 'features' | 'maxTokens' | 'usualAnswer'>

/** As many answers as the assumption weighs against those that were seen. */
const assumedSamples = 4

/** What gates and prices go by. Embeddings have no decode phase. */
export function assumedTokens({ features, maxTokens }: Asked, policy: RoutingPolicy): number {
  if (features.includes('embedding')) return 1
  const assumed = policy.assumedCompletionTokens
  return Math.max(1, Math.min(maxTokens ?? assumed, assumed))
}

/** What predicted times go by: no more than the request allows. */
export function predictedTokens(asked: Asked, policy: RoutingPolicy): number {
  if (asked.features.includes('embedding')) return 1
  const usual = Math.round(usualTokens(asked, policy))
  return Math.max(1, Math.min(asked.maxTokens ?? usual, usual))
}

/**
 * Whether an answer of so many tokens says how long answers are. One that its request’s own limit
 * cut says only that it had been longer, which is news where others are taken to be shorter.
 */
export function tellsLength(asked: Asked, tokens: number, policy: RoutingPolicy): boolean {
  const { maxTokens } = asked
  return maxTokens === null || tokens < maxTokens || tokens > usualTokens(asked, policy)
}

/** Between the assumption and what was seen: lengths differ by factors, so their mean does too. */
function usualTokens({ usualAnswer }: Asked, policy: RoutingPolicy): number {
  const assumed = policy.assumedCompletionTokens
  if (usualAnswer === undefined) return assumed
  const { samples, tokens } = usualAnswer
  return assumed * (tokens / assumed) ** (samples / (samples + assumedSamples))
}
