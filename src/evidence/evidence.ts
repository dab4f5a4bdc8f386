/**
 * What the observations of one worker and model add up to. Computed by `EvidenceBook`.
 */

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

export interface WorkerEvidence {
  /** Probability that a request sent here comes back complete. */
  readonly completion: ProbabilityEstimate
  /** undefined: never seen. */
  readonly ttft: DurationEstimate | undefined
  readonly tpot: DurationEstimate | undefined
}
