/**
 * Whose fault a failure is, and what the client is told of it.
 *
 * What a node says of itself is not to be taken at its word: only codes that a node can rightly
 * give for a well-formed request pass; everything else is a failure of the node. Of those that
 * pass, the ones that put the fault on the request are doubted: see `doubted-refusals.ts`.
 */
import { waitMsMax } from '../../evidence/index.ts'
import {
  asIsochroneError,
  type Blame,
  type ErrorCode,
  errorCodes,
  IsochroneError,
} from '../../protocol/index.ts'

const passed: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'invalid_request',
  'context_length_exceeded',
  'model_not_found',
  'capability_missing',
  'all_nodes_busy',
  'node_draining',
  'node_quarantined',
  'node_failed',
  'engine_failed',
  'engine_unavailable',
  'upstream_failed',
  'upstream_rejected',
  'peer_unreachable',
  'connection_lost',
  'deadline_exceeded',
])

/** An error of a worker as dispatch treats it: retryable where another worker may succeed. */
export function workerError(error: unknown): IsochroneError {
  const original = asIsochroneError(error)
  if (passed.has(original.code)) return withinPatience(original)
  return new IsochroneError('node_failed', `The node failed: ${original.message}`, {
    cause: original,
    detail: { nodeCode: original.code },
  })
}

/** Clients are not told to wait for longer than this gateway leaves the worker alone. */
function withinPatience(error: IsochroneError): IsochroneError {
  const { retryAfterMs } = error.detail
  if (typeof retryAfterMs !== 'number' || retryAfterMs <= waitMsMax) return error
  const detail = { ...error.detail, retryAfterMs: waitMsMax }
  return new IsochroneError(error.code, error.message, { cause: error, detail })
}

/** What this gateway finds itself, and judges by what others answer (`doubted-refusals.ts`). */
const judgedHere: ErrorCode = 'continuation_differs'

/**
 * Whose fault a recorded failure is. The table speaks of errors where they arise: what a worker
 * cannot rightly say is the worker's own, or one that always answers “rate limited” or “cancelled”
 * would never be blamed.
 */
export function blameFor(code: ErrorCode): Blame {
  if (!passed.has(code) && code !== judgedHere) return 'node'
  const { blame } = errorCodes[code]
  return blame === 'gateway' ? 'node' : blame
}

/** The code for the record: what really went wrong, not what the client is told. */
export function recordedCode(error: IsochroneError): ErrorCode {
  return error.cause instanceof IsochroneError && error.code === 'node_failed'
    ? error.cause.code
    : error.code
}

/** What it was found by proves that the worker forged something, whatever else went wrong. */
export function provesForgery(code: ErrorCode | null): boolean {
  return code === 'invalid_signature' || code === 'identity_mismatch'
}
