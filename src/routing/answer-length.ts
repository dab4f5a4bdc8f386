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
 * Whether the answer to this request says how long answers are. Under a limit that is no higher
 * than what is expected only the short ones would be seen to end; so the request decides, and not
 * what came of it. One that a higher limit cut was longer than expected, as it would have been.
 */
export function tellsLength(asked: Asked, policy: RoutingPolicy): boolean {
  const { maxTokens } = asked
  return maxTokens === null || maxTokens > usualTokens(asked, policy)
}

/** Between the assumption and what was seen: lengths differ by factors, so their mean does too. */
function usualTokens({ usualAnswer }: Asked, policy: RoutingPolicy): number {
  const assumed = policy.assumedCompletionTokens
  if (usualAnswer === undefined) return assumed
  const { samples, tokens } = usualAnswer
  return assumed * (tokens / assumed) ** (samples / (samples + assumedSamples))
}
