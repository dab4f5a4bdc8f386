/**
 * evidence: what the network saw a worker do.
 * Observations, attributed, add up to a record per worker and model, and that to reliability.
 */
export { type AnswerLength, AnswerLengths } from './answer-length.ts'
export { type BreakerSight, type BreakerState, Breakers, waitMsMax } from './breaker.ts'
export type {
  DurationEstimate,
  LatencyEvidence,
  ProbabilityEstimate,
  WorkerEvidence,
} from './evidence.ts'
export { EvidenceBook, type EvidenceBookOptions, type Seen } from './evidence-book.ts'
export { ExperienceTeller, experienceLimits } from './experience-teller.ts'
export { Hearsay } from './hearsay.ts'
export {
  LatencyRecord,
  type LatencySummary,
  loadClasses,
  type SketchAt,
  timings,
} from './latency-record.ts'
export type { LatencySketch } from './latency-sketch.ts'
export type { Observation, ObservationStore, ObservedOutcome } from './observation.ts'
export { type HazardEstimate, hazardOf, noneOf, presenceWindowMs, survival } from './presence.ts'
export { type RateEstimate, rateAnswersMin } from './rate.ts'
export { evidenceWindowMs, newcomer } from './record.ts'
export { type Response, respond } from './response-curve.ts'
export {
  type Sighting,
  type SightingKind,
  type SightingStore,
  sightingKinds,
  uncleanCodes,
} from './sighting.ts'
export {
  Accusations,
  type Consequence as AccusationConsequence,
  type Heard as HeardNotice,
  noticesPerGatewayMax,
  type Said as SaidOfWorker,
} from './standing/accusations.ts'
export { type BillRules, faultOfBill } from './standing/bill.ts'
export {
  type Answer as ExaminedAnswer,
  type Answered as AnsweredQuestion,
  Examination,
  examinationRules,
  type Stage as ExaminationStage,
} from './standing/examination.ts'
export { causesOf } from './standing/exit.ts'
export { classOf, type FaultClass, type FaultKind, faultKinds } from './standing/fault.ts'
export {
  causeInWords,
  classOfCause,
  decisions as operatorDecisions,
  type Incident,
  type IncidentCause,
  type IncidentId,
  type IncidentState,
  type IncidentStore,
  incidentStates,
  isIncidentId,
  type OperatorDecision,
  type Ruling,
  type SignedStep,
  type Standing,
  type Step,
  type Subject,
} from './standing/incident.ts'
export type { WorkerTraits } from './standing/mass-guard.ts'
export {
  type Notice,
  type NoticeFault,
  readNotice,
  tellable,
} from './standing/notice.ts'
export { PaceJudge, type PaceModules, type SlowFault, type StatedPace } from './standing/pace.ts'
export { billEvidence, digestEvidence } from './standing/proof.ts'
export { type Fault, StandingBook, type StandingBookModules } from './standing/standing-book.ts'
