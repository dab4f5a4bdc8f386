/**
 * evidence: what the network saw a worker do.
 * Observations, attributed, add up to a record per worker and model, and that to reliability.
 */
export type { DurationEstimate, ProbabilityEstimate, WorkerEvidence } from './evidence.ts'
export {
  EvidenceBook,
  type EvidenceBookOptions,
  evidenceWindowMs,
  newcomer,
} from './evidence-book.ts'
export type { Observation, ObservationStore, ObservedOutcome } from './observation.ts'
