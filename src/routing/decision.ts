/**
 * A decision: which worker, why, and why not the others. Kept as structure, rendered only when
 * read. Only this room makes one.
 */
import type { DecisionId, ErrorCode, RequestId, WorkerId } from '../protocol/index.ts'
import type { RoundTripSource } from './candidate.ts'
import type { ViewPiece, ViewReference } from './replay/view-log.ts'
import type { Continuation, RouteRequest } from './request.ts'
import type { DecisionSeal } from './seal.ts'

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
  /** 1 is the best. */
  readonly rank: number
  /**
   * Lower bound of the probability that the request comes back complete, right and within its
   * objective.
   */
  readonly reliability: number
  /** Upper bound of the same. */
  readonly reliabilityAtBest: number
  readonly completionMean: number
  readonly completionLowerBound: number
  readonly completionUpperBound: number
  readonly completionSamples: number
  /** Probability that it keeps the rules, at least. */
  readonly clean: number
  /** Probability that it is there until the request is done, at least. */
  readonly availability: number
  /** Probability that the request's objective is met; 1 where none was asked for. */
  readonly timely: number
  /** Its reliability cannot be told apart from the best one's. */
  readonly indistinguishable: boolean
  /** One of those that took turns: nothing but load, price and lot set it apart from the others. */
  readonly alike: boolean
  /** Predicted time to the first token, ms: link, queue, prefill. */
  readonly predictedTtftMs: number
  /** Later than this in one of 20 cases, ms. */
  readonly predictedTtftHighMs: number
  /** The part of it spent waiting for a slot, ms. */
  readonly predictedQueueMs: number
  /** Predicted time to the last token, ms. */
  readonly predictedTotalMs: number
  /** What the first token's time rests on: work seen, the worker's statement, or an assumption. */
  readonly predictedFrom: 'observed' | 'claimed' | 'assumed'
  /** Its time per token was seen, but no first token: in whole answers. */
  readonly paceSeen?: boolean
  /** Expected price of this request, micro-dollars. */
  readonly price: number
  /** Requests there per slot. */
  readonly load: number
  /** null: nothing is known of it, and the policy's assumption was used. */
  readonly roundTripMs: number | null
  readonly roundTripSource: RoundTripSource
}

export interface Attempt {
  readonly worker: WorkerId
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly ttftMs: number | null
  /** `abandoned`: the client left. `cancelled`: the gateway took it back, and nobody failed. */
  readonly outcome: 'running' | 'completed' | 'failed' | 'abandoned' | 'cancelled'
  readonly code: ErrorCode | null
  /**
   * Why this worker was tried: the first pick, a retry after the failure before, to go on where the
   * one before broke off, or was taken away while it worked, or beside the one before, whose
   * first token was late.
   */
  readonly cause: (typeof attemptCauses)[number]
  /** With the causes `continuation` and `migration`. */
  readonly splice?: Splice
}

/** How an answer goes on that another worker began. */
export interface Splice {
  /** Tokens taken over from those before, of all choices. */
  readonly tokens: number
  /** From the last thing that came of those before to the first new one; null: none came. */
  readonly pauseMs: number | null
  /** Why it was taken from a worker that had not failed; with the cause `migration`. */
  readonly reason?: MoveReason
}

export const attemptCauses = ['picked', 'retry', 'continuation', 'migration', 'hedge'] as const

/** Its worker is about to stop, may be dead, or is slower than the objective. */
export const moveReasons = ['draining', 'suspected', 'slow'] as const
export type MoveReason = (typeof moveReasons)[number]

/** How it was decided before an attempt failed and somebody else was chosen. */
export interface FirstChoice {
  readonly atMs: number
  readonly candidates: number
  readonly eligible: number
  readonly indistinguishable: number
  readonly alike: number
  readonly rankings: readonly Ranking[]
  readonly chosen: WorkerId | null
  readonly comparedWith: WorkerId | null
  readonly decidedBy: DecidingFactor | null
  readonly reason: string
}

/** One time that it was decided; a second one follows where an attempt failed. */
export interface Round {
  readonly atMs: number
  /** The version of the view of all candidates; null: it was not kept. */
  readonly view: ViewReference | null
  /** The random numbers that were drawn, in their order. */
  readonly draws: readonly number[]
  /** Who had failed at it, was at it, or was to be left. */
  readonly tried: readonly WorkerId[]
  /** null: a new answer. */
  readonly continuation: Continuation | null
}

/** `busy`: somebody can, but nobody has room now. `none`: nobody can. */
export type DecisionOutcome = 'chosen' | 'busy' | 'none'

/** What put the chosen worker before the next best. */
export const decidingFactors = [
  'only', // nobody else was eligible
  'reliability', // the next best is measurably less reliable
  'time', // as reliable, but the next best is slower
  'load', // as reliable and as fast, but the next best has more to do
  'price', // and as busy, but dearer
  'chance', // alike in everything
  'affinity', // as good within bounds, and has read the beginning of the prompt
  'exploration', // a short record gets its chance
  'probe', // its circuit breaker is half-open, or it is on probation
  'spill', // those more reliable have no free slot
] as const
export type DecidingFactor = (typeof decidingFactors)[number]

export interface Decision {
  readonly [made]: true
  readonly id: DecisionId
  readonly requestId: RequestId
  /** Names the API key of whoever asked, who may read this; null: nobody but an operator may. */
  readonly keyId: string | null
  readonly atMs: number
  readonly policyVersion: string
  /** Of the model, by the policy; null: in none. */
  readonly tier: string | null
  readonly model: string
  /** What was asked for; no text of the prompt. */
  readonly request: RouteRequest
  /** Tokens that the answer was assumed to have, for gates and the price. */
  readonly completionTokens: number
  /** Tokens that it was expected to have, for the predicted times. */
  readonly predictedTokens: number
  readonly candidates: number
  readonly eligible: number
  /** How many of the eligible could not be told apart from the most reliable. */
  readonly indistinguishable: number
  /** How many of them took turns: nothing but load, price and lot set them apart. */
  readonly alike: number
  /** How many candidates each gate rejected. */
  readonly gateCounts: Readonly<Record<string, number>>
  /** One per rejected candidate, up to the policy's `rejectionsMax`. */
  readonly rejections: readonly Rejection[]
  /** The best few, in order; the chosen one is always among them. */
  readonly rankings: readonly Ranking[]
  readonly outcome: DecisionOutcome
  /** null: nobody was eligible. */
  readonly chosen: WorkerId | null
  /** Whom the chosen one was last compared with; null: nobody else was eligible. */
  readonly comparedWith: WorkerId | null
  readonly decidedBy: DecidingFactor | null
  /** In plain words, what decided between the chosen and the next best. */
  readonly reason: string
  /** With `busy`: when the first slot is expected to be free. */
  readonly retryAfterMs: number | null
  readonly attempts: readonly Attempt[]
  /** null: nobody had to be chosen again. */
  readonly first: FirstChoice | null
  /** What is needed to make it again; empty in decisions of earlier versions. */
  readonly rounds: readonly Round[]
}

/** A decision as it is kept: the very text that was signed. */
export interface KeptDecision {
  readonly text: string
  /** null: it was kept by a version that did not sign. */
  readonly seal: DecisionSeal | null
}

/** Where decisions are kept; the newest `decisionsMax` stay. */
export interface DecisionStore {
  readonly decisionsMax: number
  /** Adds a decision, or replaces the one with the same id. */
  put(decision: Decision): void
  get(id: DecisionId): Decision | undefined
  /** The same with its signature. */
  kept(id: DecisionId): KeptDecision | undefined
  /** What decisions saw; the oldest is given up when there is too much. */
  putView(piece: ViewPiece): void
  /** As much of the frame as is kept, without a gap; undefined: nothing. */
  view(frame: string): Uint8Array | undefined
  /**
   * Most recently put first.
   * @param keyId only of requests with this API key; undefined: all
   */
  recent(count: number, keyId?: string): readonly Decision[]
  flush(): Promise<void>
  close(): Promise<void>
}
