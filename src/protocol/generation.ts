/**
 * One inference request and what comes back, as gateway, node and engine speak of it.
 *
 * A request is already validated and normalised: defaults are filled in, OpenAI's several
 * spellings of a thing are one. A stream of answers is an async iterable of *batches*: what became
 * available together.
 */
import type { ModelDigest, RequestId } from './ids.ts'

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

export type JsonObject = { readonly [key: string]: JsonValue }

/** A chat message in OpenAI's form; an engine that cannot use a part of it has a gate for that. */
export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool'
  /**
   * Plain text, or OpenAI's content parts (`{type: 'text' | 'image_url' | …}`); null beside tool
   * calls.
   */
  readonly content: string | readonly JsonObject[] | null
  readonly name?: string
  readonly tool_calls?: readonly JsonObject[]
  readonly tool_call_id?: string
}

export interface Sampling {
  /** 0 is greedy: the lowest token id wins a tie. */
  readonly temperature: number
  readonly topP: number
  /** 0: off. */
  readonly topK: number
  /** Tokens less probable than this share of the most probable one are left out. 0: off. */
  readonly minP: number
  readonly frequencyPenalty: number
  readonly presencePenalty: number
  /** As in CTRL (Keskar et al., 2019); 1: off. */
  readonly repetitionPenalty: number
  /** Added to a token's logit, by token id. */
  readonly logitBias: Readonly<Record<string, number>>
  /** The same seed gives the same text on any node. A whole number below 2^53. */
  readonly seed: number
}

export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json_object' }
  | { readonly type: 'json_schema'; readonly json_schema: JsonObject }

/** What makes text: a chat or a plain continuation. */
export interface GenerationRequest {
  readonly kind: 'chat' | 'completion'
  readonly requestId: RequestId
  /** The name by which the client asked. */
  readonly model: string
  /** The exact model that routing chose; null where the node's engine knows only names. */
  readonly modelDigest: ModelDigest | null
  /** With `kind: 'chat'`. */
  readonly messages: readonly ChatMessage[]
  /** With `kind: 'completion'`: text, or token ids. */
  readonly prompt: string | readonly number[]
  /** How many independent answers; answer i uses seed + i. */
  readonly choices: number
  /** null: as many as the context holds. */
  readonly maxTokens: number | null
  readonly stop: readonly string[]
  readonly sampling: Sampling
  /** null: no log-probabilities; otherwise how many alternatives per token, 0 to 20. */
  readonly topLogprobs: number | null
  /** Nobody reads along: an engine may give the answer in one piece. */
  readonly whole: boolean
  /** Repeat the prompt's text first (completions only). */
  readonly echo: boolean
  readonly tools: readonly JsonObject[]
  readonly toolChoice: JsonValue
  readonly parallelToolCalls: boolean | null
  readonly responseFormat: ResponseFormat
  /** OpenAI fields that this project does not interpret, for engines that front another server. */
  readonly passThrough: JsonObject
  /**
   * Per choice, the tokens that another node wrote before it failed: the answer goes on behind them
   * as if it had never stopped. It begins by repeating them, so that whoever has the first part can
   * tell whether the second belongs to it. Absent: a new answer.
   */
  readonly continued?: readonly (readonly number[])[]
}

export interface TokenLogprob {
  readonly token: string
  /** Natural logarithm. */
  readonly logprob: number
  readonly bytes: readonly number[]
}

export interface TokenLogprobs extends TokenLogprob {
  readonly top: readonly TokenLogprob[]
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

/** More of one choice's answer. */
export interface GenerationDelta {
  readonly type: 'delta'
  readonly choice: number
  /** New text; may be empty while a character or a stop string is incomplete. */
  readonly text: string
  /** The tokens behind it, where the engine knows them: what a continuation elsewhere replays. */
  readonly tokenIds: readonly number[]
  readonly logprobs: readonly TokenLogprobs[]
  /**
   * Further fields of OpenAI's `delta`, for example `tool_calls` or `reasoning_content`; null:
   * none.
   */
  readonly extra: JsonObject | null
}

export interface GenerationFinish {
  readonly type: 'finish'
  readonly choice: number
  readonly reason: FinishReason
}

/** Comes once, last. */
export interface GenerationUsage {
  readonly type: 'usage'
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
  /** The server behind the engine gave no count: these are guessed from text and deltas. */
  readonly estimated?: true
}

export type GenerationEvent = GenerationDelta | GenerationFinish | GenerationUsage

export interface EmbeddingRequest {
  readonly kind: 'embedding'
  readonly requestId: RequestId
  readonly model: string
  readonly modelDigest: ModelDigest | null
  readonly input: readonly (string | readonly number[])[]
  readonly dimensions: number | null
}

export interface EmbeddingResult {
  /** One row per input, float32. */
  readonly vectors: readonly Float32Array[]
  readonly promptTokens: number
}

export type InferenceRequest = GenerationRequest | EmbeddingRequest
