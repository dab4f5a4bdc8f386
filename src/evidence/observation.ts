/**
 * One thing seen of one worker, attributed: only what is the worker's own fault counts against it.
 */
import type { Blame, DecisionId, ErrorCode, WorkerId } from '../protocol/index.ts'

export type ObservedOutcome =
  | { readonly kind: 'completed' }
  | {
      readonly kind: 'failed'
      readonly code: ErrorCode
      readonly phase: 'before-first-token' | 'mid-stream'
    }
  /**
   * The client left, or the gateway took the attempt back (then nobody is blamed): says nothing of
   * completion, but what was measured until then counts.
   */
  | { readonly kind: 'abandoned' }

export interface Observation {
  readonly atMs: number
  readonly worker: WorkerId
  readonly model: string
  readonly decision: DecisionId
  /** 0 for the first attempt of a request. */
  readonly attempt: number
  readonly outcome: ObservedOutcome
  readonly blame: Blame
  /** From sending the request to the first token; null: there was none. */
  readonly ttftMs: number | null
  /** Mean time per further token; null: fewer than two tokens. */
  readonly tpotMs: number | null
  readonly promptTokens: number | null
  readonly completionTokens: number | null
  /** Requests that this gateway had under way at the worker, this one not counted. */
  readonly inFlight: number
  /** All requests there per slot, this one not counted, as far as was foreseen; null: unknown. */
  readonly load?: number | null
  /** Tokens of prompts that were there and not read yet, as far as was foreseen; null: unknown. */
  readonly promptTokensAhead?: number | null
}

/** Where observations are kept. What `flush` has resolved for survives a restart. */
export interface ObservationStore {
  append(observation: Observation): void
  flush(): Promise<void>
  /** Oldest first. */
  since(atMs: number): Iterable<Observation>
  close(): Promise<void>
}
