/**
 * routing: one request → one decision.
 * Gates remove who cannot, an order ranks the rest, a pick balances load, words explain it.
 */
export {
  type AttemptEnd,
  type AttemptStart,
  endAttempt,
  withAttempt,
  withAttemptsOf,
  withPause,
} from './attempts.ts'
export type { Candidate, RoundTripSource } from './candidate.ts'
export {
  type ChooseAgainInput,
  chooseAgain,
  chooseBeside,
  couldMove,
  type DecideInput,
  decide,
} from './decide.ts'
export type {
  Attempt,
  DecidingFactor,
  Decision,
  DecisionOutcome,
  DecisionStore,
  MoveReason,
  Ranking,
  Rejection,
  Splice,
} from './decision.ts'
export { type Refusal, refusalOf, summarizeRejections } from './explain/refusal.ts'
export { renderDecision } from './explain/render.ts'
export { columnsMin } from './explain/wrap.ts'
export { defaultPolicy, type PolicyValues, policyOf, type RoutingPolicy } from './policy.ts'
export type { Continuation, Objective, RouteRequest } from './request.ts'
export { decisionSchema, reviveDecision } from './revive.ts'
export {
  anyGpu,
  type ClassRule,
  type HardwareClass,
  hardwareClassOf,
  manyModels,
  memoryOf,
  otherClass,
  ruleOf,
  type Tier,
  type TierRule,
  tierOf,
  upstreamClass,
} from './tier.ts'
