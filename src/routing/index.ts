/**
 * routing: one request → one decision.
 * Gates remove who cannot, an order ranks the rest, a pick balances load, words explain it.
 */
export { tellsLength } from './answer-length.ts'
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
  KeptDecision,
  MoveReason,
  Ranking,
  Rejection,
  Round,
  Splice,
} from './decision.ts'
export { textOfDecision } from './decision-record.ts'
export { type Refusal, refusalOf, summarizeRejections } from './explain/refusal.ts'
export { type RenderOptions, renderDecision } from './explain/render.ts'
export { columnsMin } from './explain/wrap.ts'
export { machineInWords } from './machine-words.ts'
export { defaultPolicy, type PolicyValues, policyOf, type RoutingPolicy } from './policy.ts'
export { type Difference, type Replay, replayDecision } from './replay/replay.ts'
export {
  piecesOf,
  type ViewContext,
  type ViewFrame,
  ViewLog,
  type ViewMark,
  type ViewPiece,
  type ViewReference,
} from './replay/view-log.ts'
export { readView, type View, viewUntil } from './replay/view-reader.ts'
export type { Continuation, Objective, RouteRequest, WarmWorker } from './request.ts'
export { decisionSchema, reviveDecision } from './revive.ts'
export {
  type DecisionSeal,
  isSealed,
  type SealedTree,
  type Signer,
  sealAlone,
  sealIn,
  sealTree,
} from './seal.ts'
export { CandidateTable, type RowPolicy } from './table.ts'
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
  unknownClass,
  upstreamClass,
} from './tier.ts'
