/**
 * The engine contract: what runs models on a machine, whatever is behind it.
 *
 * `onnx/` runs this project's own graphs; `upstream/` fronts an OpenAI-compatible server.
 */
import type {
  EmbeddingRequest,
  EmbeddingResult,
  GenerationEvent,
  GenerationRequest,
  ModelDigest,
  ModelFeature,
} from '../protocol/index.ts'

export interface EngineModel {
  readonly name: string
  readonly digest: ModelDigest | null
  /** For example `onnx/cpu`, `onnx/webgpu`, `onnx/wasm`, `upstream/vllm`. */
  readonly runtime: string
  readonly quantisation: string
  readonly contextTokensMax: number
  readonly slots: number
  readonly features: readonly ModelFeature[]
}

export interface EngineLoad {
  readonly running: number
  readonly waiting: number
  readonly kvTokensFree: number
  /** Tokens of prompts that are not read yet; undefined: it does not know. */
  readonly promptTokensUnread?: number | undefined
}

export interface Engine {
  /**
   * The models that can be asked for now: without one that was lost and is being started again, and
   * as an upstream's list is.
   */
  models(): readonly EngineModel[]
  load(): EngineLoad
  /**
   * Runs one request: batches of events, a usage event last. Errors (`IsochroneError`):
   * `invalid_request`, `context_length_exceeded`, `model_not_found`, `capability_missing`,
   * `all_nodes_busy`, `engine_failed`, `upstream_failed`, `upstream_rejected`. When the signal
   * aborts, work stops at the next step and the iterable throws `cancelled`.
   *
   * A request that is `continued` needs the feature `continuation`: the first delta of each choice
   * then repeats the tokens and their text, and what follows is what would have followed there.
   */
  generate(
    request: GenerationRequest,
    signal: AbortSignal,
  ): AsyncIterable<readonly GenerationEvent[]>
  /** Errors as `generate`; `capability_missing` where the engine has no embeddings. */
  embed(request: EmbeddingRequest, signal: AbortSignal): Promise<EmbeddingResult>
  close(): Promise<void>
}
