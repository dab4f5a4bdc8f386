/** What routing needs to know of a request; no text of the prompt. */
import type { AnswerLength } from '../evidence/index.ts'
import type { ModelDigest, ModelFeature, RequestId, WorkerId } from '../protocol/index.ts'

export interface Objective {
  /** Time to first token, ms; null: none asked for. */
  readonly ttftMs: number | null
  /** Time per further token, ms; null: none asked for. */
  readonly tpotMs: number | null
}

export interface RouteRequest {
  readonly requestId: RequestId
  readonly model: string
  /** What the worker's model must be able to do. */
  readonly features: readonly ModelFeature[]
  /** Estimated from the length of the text where the gateway has no tokenizer. */
  readonly promptTokens: number
  readonly maxTokens: number | null
  readonly objective: Objective
  /** Micro-dollars per million tokens, prompt and completion each; null: any. */
  readonly maxPrice: number | null
  /** Only this declared region; null: any. */
  readonly region: string | null
  readonly exclude: readonly WorkerId[]
  /**
   * Who read the beginning of this prompt lately, the longest first, and may have it in its cache.
   */
  readonly warm?: readonly WarmWorker[]
  /** How long this model’s answers were lately, in steps; absent: too few were seen. */
  readonly usualAnswer?: AnswerLength
}

export interface WarmWorker {
  readonly worker: WorkerId
  /** Of the prompt, estimated. */
  readonly promptTokens: number
}

/** An answer that another worker began, and that has to go on as it would have gone on there. */
export interface Continuation {
  /** Of the model that began it. */
  readonly digest: ModelDigest
  /** Tokens that are there already, of all choices. */
  readonly tokens: number
  /** The model's context, where it is the answer's only limit; null: the request sets another. */
  readonly contextTokensMax: number | null
}
