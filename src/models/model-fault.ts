/**
 * What is wrong with a model's file: always which file, which tensor or field, and why.
 */
import { type ErrorCode, IsochroneError } from '../protocol/index.ts'

export interface FaultPlace {
  readonly file: string
  readonly tensor?: string
  readonly field?: string
  /** How to mend it, where there is a way. */
  readonly mend?: string
}

/** The file is truncated, damaged or contradicts itself. */
export function corrupt(place: FaultPlace, reason: string, cause?: unknown): IsochroneError {
  return fault('model_corrupt', place, { reason, cause })
}

/** The file is whole, but this project cannot run what it says. */
export function unsupported(place: FaultPlace, reason: string): IsochroneError {
  return fault('model_unsupported', place, { reason, cause: undefined })
}

function fault(
  code: ErrorCode,
  place: FaultPlace,
  why: { readonly reason: string; readonly cause: unknown },
): IsochroneError {
  const what = [
    place.file,
    place.tensor === undefined ? undefined : `tensor ${place.tensor}`,
    place.field === undefined ? undefined : `field ${place.field}`,
    why.reason,
  ].filter((part) => part !== undefined)
  const mend = place.mend === undefined ? '' : ` ${place.mend}`
  return new IsochroneError(code, `${what.join(': ')}.${mend}`, {
    detail: { file: place.file, tensor: place.tensor, field: place.field, reason: why.reason },
    cause: why.cause,
  })
}
