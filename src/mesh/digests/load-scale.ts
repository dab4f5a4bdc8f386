/**
 * Levels of load: sixteen for each figure, so that a level is four bits and a chain of hashes.
 *
 * Counts are rounded up and free tokens down: a level never promises more room than there is.
 * Neighbouring levels differ by a third or less where a decision could turn on it.
 */
import type { LoadFigures } from '../../protocol/index.ts'

/** In units of the anchor's `countUnit`; the last one means that many or more. */
const counts = [0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 96, 128] as const
/** In shares of the anchor's `kvTokensTotal`. */
const shares = [
  0, 0.01, 0.02, 0.035, 0.055, 0.08, 0.11, 0.15, 0.2, 0.27, 0.35, 0.45, 0.57, 0.7, 0.85, 1,
] as const
const figureBits = 4
const figureMask = 15

export interface LoadScale {
  readonly countUnit: number
  readonly kvTokensTotal: number
}

/** Such that twice the slots are still within the levels. */
export function countUnitFor(slots: number): number {
  return Math.max(1, Math.ceil(slots / 48))
}

export function levelsOf(load: LoadFigures, scale: LoadScale): number {
  const running = countLevel(load.running, scale.countUnit)
  const waiting = countLevel(load.waiting, scale.countUnit)
  return running | (waiting << figureBits) | (kvLevel(load, scale) << (2 * figureBits))
}

export function figuresOf(levels: number, scale: LoadScale): LoadFigures {
  return {
    running: (counts[levelOf(levels, 0)] ?? 0) * scale.countUnit,
    waiting: (counts[levelOf(levels, 1)] ?? 0) * scale.countUnit,
    kvTokensFree: Math.floor((shares[levelOf(levels, 2)] ?? 0) * scale.kvTokensTotal),
  }
}

export function levelOf(levels: number, figure: number): number {
  return (levels >>> (figure * figureBits)) & figureMask
}

function countLevel(count: number, unit: number): number {
  const units = count / unit
  for (let level = 0; level < counts.length; level += 1) {
    if (units <= (counts[level] ?? 0)) return level
  }
  return counts.length - 1
}

function kvLevel({ kvTokensFree }: LoadFigures, { kvTokensTotal }: LoadScale): number {
  if (kvTokensTotal <= 0) return 0
  const share = kvTokensFree / kvTokensTotal
  for (let level = shares.length - 1; level > 0; level -= 1) {
    if (share >= (shares[level] ?? 0)) return level
  }
  return 0
}
