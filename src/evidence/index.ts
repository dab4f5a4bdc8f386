/**
 * evidence: what the network saw a worker do.
 * Observations, attributed, add up to a record per worker and model, and that to reliability.
 */
export type {
  DurationEstimate,
  LatencyEvidence,
  ProbabilityEstimate,
  WorkerEvidence,
} from './evidence.ts'
export { EvidenceBook, type EvidenceBookOptions } from './evidence-book.ts'
export { LatencyRecord, type LatencySummary } from './latency-record.ts'
export type { Observation, ObservationStore, ObservedOutcome } from './observation.ts'
export { type HazardEstimate, hazardOf, presenceWindowMs, survival } from './presence.ts'
export { evidenceWindowMs, newcomer } from './record.ts'
export {
  type Sighting,
  type SightingKind,
  type SightingStore,
  sightingKinds,
  uncleanCodes,
} from './sighting.ts'
