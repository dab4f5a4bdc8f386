/**
 * Operating errors: what can go wrong although the program is right.
 *
 * Every one carries a `code` from `errorCodes`, a message for a person that says what, where and
 * how to mend it, typed `detail`, and its `cause`. Programmer errors are assertions (`assert.ts`)
 * instead.
 */
import { type ErrorCode, errorCodes } from './error-codes.ts'

export type ErrorDetail = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface IsochroneErrorOptions {
  readonly detail?: ErrorDetail
  readonly cause?: unknown
}

export class IsochroneError extends Error {
  override readonly name = 'IsochroneError'
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, message: string, options: IsochroneErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.detail = options.detail ?? {}
  }

  /** Whether another node may succeed where this one failed. */
  get retryable(): boolean {
    return errorCodes[this.code].retryable
  }
}

/** The error itself if it is ours; otherwise an `internal` error with the original as its cause. */
export function asIsochroneError(error: unknown, code: ErrorCode = 'internal'): IsochroneError {
  if (error instanceof IsochroneError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new IsochroneError(code, message, { cause: error })
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof IsochroneError && error.code === code
}
