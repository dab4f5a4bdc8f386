/**
 * `grpc-timeout` (grpc/doc/PROTOCOL-HTTP2.md): up to eight digits and a unit.
 */
import { IsochroneError } from '../../protocol/index.ts'

const unitsMs: Readonly<Record<string, number>> = {
  n: 1e-6,
  u: 1e-3,
  m: 1,
  S: 1_000,
  M: 60_000,
  H: 3_600_000,
}
const pattern = /^([0-9]{1,8})([numSMH])$/
const digitsMax = 99_999_999
/** Longer deadlines are as good as none, and timers count in 31 bits of ms. */
export const deadlineMsMax = 24 * 3_600_000

/** @param deadlineMs from now, at most `deadlineMsMax`; rounded up to what the format holds */
export function formatTimeout(deadlineMs: number): string {
  const ms = Math.ceil(Math.min(Math.max(deadlineMs, 0), deadlineMsMax))
  return ms <= digitsMax ? `${ms}m` : `${Math.ceil(ms / 1_000)}S`
}

/** Ms from now; undefined: none given. Throws `malformed_message`. */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, digits = '', unit = ''] = pattern.exec(text) ?? []
  const unitMs = unitsMs[unit]
  if (unitMs === undefined) {
    throw new IsochroneError('malformed_message', 'grpc-timeout is not up to 8 digits and a unit')
  }
  return Math.min(Number(digits) * unitMs, deadlineMsMax)
}
