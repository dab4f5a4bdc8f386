/**
 * What the observations of one worker and model add up to. Computed by `EvidenceBook`.
 */
import type { LatencyRecord } from './latency-record.ts'
import type { HazardEstimate } from './presence.ts'
import type { RateEstimate } from './rate.ts'
import type { Response } from './response-curve.ts'

/** A decayed Bayesian estimate of a probability. */
export interface ProbabilityEstimate {
  readonly mean: number
  /** Below this with a probability of 5 %. */
  readonly lowerBound: number
  /** Above this with a probability of 5 %. */
  readonly upperBound: number
  /** Effective number of observations after decay. */
  readonly samples: number
}

/** A decayed estimate of a duration. */
export interface DurationEstimate {
  readonly meanMs: number
  readonly deviationMs: number
  readonly samples: number
}

/** The times that were seen, by how busy it was. */
export interface LatencyEvidence {
  readonly record: LatencyRecord
  /** ms since 1970, for what has faded. */
  readonly now: number
}

export interface WorkerEvidence {
  /** Probability that a request sent here comes back complete. */
  readonly completion: ProbabilityEstimate
  /** Probability that it keeps the rules: right signatures, nothing twice, nothing malformed. */
  readonly clean: ProbabilityEstimate
  /** How soon it goes without a word. */
  readonly hazard: HazardEstimate
  /** undefined: never seen. */
  readonly latency: LatencyEvidence | undefined
  /** How the time to the first token grows with the prompt and the load; undefined: never seen. */
  readonly response: Response | undefined
  /** How the time per further token grows with the load; undefined: never seen. */
  readonly pace: Response | undefined
  /** undefined: never seen. */
  readonly ttft: DurationEstimate | undefined
  readonly tpot: DurationEstimate | undefined
  /**
   * Of answers that found a free slot; undefined: too few were seen, or too few since it is
   * re-checked.
   */
  readonly rate: RateEstimate | undefined
}
