/**
 * A decision: which worker, why, and why not the others. Kept as structure, rendered only when read.
 * Only this room makes one.
 */
import type { DecisionId, ErrorCode, RequestId, WorkerId } from '../protocol/index.ts'

declare const made: unique symbol

export interface Rejection {
  readonly worker: WorkerId
  readonly gate: string
  readonly required: string
  readonly actual: string
}

/** What ordered one eligible candidate. */
export interface Ranking {
  readonly worker: WorkerId
  readonly rank: number
  readonly reliability: number
  readonly completionMean: number
  readonly completionSamples: number
  /** Predicted time to the first token, ms: link, queue, prefill. */
  readonly predictedTtftMs: number
  /** Predicted time to the last token, ms. */
  readonly predictedTotalMs: number
  readonly price: number
  readonly load: number
  readonly roundTripMs: number | null
}

export interface Attempt {
  readonly worker: WorkerId
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly ttftMs: number | null
  readonly outcome: 'running' | 'completed' | 'failed' | 'abandoned'
  readonly code: ErrorCode | null
  /** Why this worker was tried: the first pick, or a retry after the failure before. */
  readonly cause: 'picked' | 'retry'
}

export interface Decision {
  readonly [made]: true
  readonly id: DecisionId
  readonly requestId: RequestId
  readonly atMs: number
  readonly policyVersion: string
  readonly model: string
  readonly candidates: number
  readonly eligible: number
  /** How many candidates each gate rejected. */
  readonly gateCounts: Readonly<Record<string, number>>
  readonly rejections: readonly Rejection[]
  /** The best few, in order. */
  readonly rankings: readonly Ranking[]
  /** null: nobody was eligible. */
  readonly chosen: WorkerId | null
  /** In plain words, what decided between the chosen and the next best. */
  readonly reason: string
  readonly attempts: readonly Attempt[]
}

/** Where decisions are kept; the newest `decisionsMax` stay. */
export interface DecisionStore {
  put(decision: Decision): void
  get(id: DecisionId): Decision | undefined
  /** Newest first. */
  recent(count: number): readonly Decision[]
  flush(): Promise<void>
  close(): Promise<void>
}
