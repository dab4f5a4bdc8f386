/** What can be sent a request: a joined node, or an upstream without a node. */
import type {
  Bill,
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

/** What a node billed for one request, and how much of it can be. */
export interface Billed {
  readonly bill: Bill
  readonly counted: Bill
  /** It was severely over what can be: nothing of it is owed. */
  readonly isFalse: boolean
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
  /** Told of the bill that a node has signed with its answer, before the answer ends. */
  readonly onBill?: (billed: Billed) => void
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
