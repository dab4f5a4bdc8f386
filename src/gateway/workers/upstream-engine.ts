/**
 * The narrow part of an engine that a gateway needs to use an upstream without a node in front of
 * it.
 */
import type {
  EmbeddingRequest,
  EmbeddingResult,
  GenerationEvent,
  GenerationRequest,
  ModelDigest,
  ModelFeature,
} from '../../protocol/index.ts'

export interface UpstreamModel {
  readonly name: string
  readonly digest: ModelDigest | null
  readonly runtime: string
  readonly quantisation: string
  readonly contextTokensMax: number
  readonly slots: number
  readonly features: readonly ModelFeature[]
}

export interface UpstreamEngine {
  models(): readonly UpstreamModel[]
  load(): { readonly running: number; readonly waiting: number; readonly kvTokensFree: number }
  /** @param signal aborts when the work is to stop; undefined: `return` says so */
  generate(
    request: GenerationRequest,
    signal?: AbortSignal,
  ): AsyncIterable<readonly GenerationEvent[]>
  embed(request: EmbeddingRequest, signal: AbortSignal): Promise<EmbeddingResult>
}

export interface UpstreamOptions {
  /** Lower-case letters, digits and `-`: the worker's id is `upstream-` and this. */
  readonly name: string
  readonly engine: UpstreamEngine
  /** Declared; empty: not declared. */
  readonly region?: string
  /** Micro-dollars per million tokens. */
  readonly promptPrice?: number
  readonly completionPrice?: number
}
