/** What can be sent a request: a joined node, or an upstream without a node. */
import type {
  EmbeddingRequest,
  EmbeddingResult,
  GenerationEvent,
  GenerationRequest,
  LoadReport,
  NodeRecord,
  OfferedModel,
  WorkerId,
} from '../../protocol/index.ts'

/** A worker as it is now. */
export interface WorkerView {
  readonly region: string
  readonly models: readonly OfferedModel[]
  readonly load: LoadReport
  /** Smoothed round trip of the link, ms; undefined: not measured. */
  readonly roundTripMs: number | undefined
  readonly connected: boolean
  /** Its link owes an answer to a probe. */
  readonly overdue: boolean
  readonly integerExact: boolean
  /** null: an upstream, which signs nothing. */
  readonly record: NodeRecord | null
}

export interface CallLimits {
  /** Aborts when the client left or a time limit passed; the worker then stops its work. */
  readonly signal: AbortSignal
  /** Whoever reads also calls `return` then: a worker that stops by that needs no signal. */
  readonly isLeftByReturn?: boolean
  /** What is left of the request's time. */
  readonly deadlineMs: number
  /** How long whoever reads has held the answer up, ms. */
  readonly readerMs?: () => number
}

export interface Worker {
  readonly id: WorkerId
  describe(): WorkerView
  /** Batches of events; throws an `IsochroneError`. What it yields is checked for its author. */
  generate(
    request: GenerationRequest,
    limits: CallLimits,
  ): AsyncIterable<readonly GenerationEvent[]>
  embed(request: EmbeddingRequest, limits: CallLimits): Promise<EmbeddingResult>
}
