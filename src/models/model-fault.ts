/**
 * What is wrong with a model's file: always which file, which tensor or field, and why.
 */
import { type ErrorCode, IsochroneError } from '../protocol/index.ts'

/** Names in a hostile file have up to 100 MB. */
const textLengthMax = 1000

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
  const [file, tensor, field] = [place.file, place.tensor, place.field].map(
    (text) => text && harmless(text),
  )
  return new IsochroneError(code, `${harmless(what.join(': '))}.${mend}`, {
    detail: { file, tensor, field, reason: harmless(why.reason) },
    cause: why.cause,
  })
}

/** What strangers wrote goes to terminals and logs: short, and nothing that moves a cursor. */
function harmless(text: string): string {
  const cut = text.length > textLengthMax ? `${text.slice(0, textLengthMax)}…` : text
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
}
