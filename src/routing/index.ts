/**
 * routing: one request → one decision.
 * Gates remove who cannot, an order ranks the rest, a pick balances load, words explain it.
 */
export { type AttemptEnd, type AttemptStart, endAttempt, withAttempt } from './attempts.ts'
export type { Candidate } from './candidate.ts'
export { type ChooseAgainInput, chooseAgain, type DecideInput, decide } from './decide.ts'
export type {
  Attempt,
  DecidingFactor,
  Decision,
  DecisionOutcome,
  DecisionStore,
  Ranking,
  Rejection,
} from './decision.ts'
export { defaultPolicy, type RoutingPolicy } from './policy.ts'
export { type Refusal, refusalOf, summarizeRejections } from './refusal.ts'
export { renderDecision } from './render.ts'
export type { Objective, RouteRequest } from './request.ts'
export { decisionSchema, reviveDecision } from './revive.ts'
export { columnsMin } from './wrap.ts'
