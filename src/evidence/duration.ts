/** A time that is seen again and again: its fading mean and variance. */
import type { DurationEstimate } from './evidence.ts'
import { fade } from './fading.ts'

/** Speed changes faster than soundness: load, heat, other programs. */
export const latencyHalfLifeMs = 10 * 60_000

/** A decayed mean and variance (West, 1979, with exponential forgetting). */
export interface Duration {
  atMs: number
  weight: number
  mean: number
  /** Sum of weighted squared deviations. */
  squares: number
}

export function newDuration(): Duration {
  return { atMs: 0, weight: 0, mean: 0, squares: 0 }
}

export function addDuration(duration: Duration, atMs: number, valueMs: number | null): void {
  if (valueMs === null || !Number.isFinite(valueMs) || valueMs < 0) return
  const fading = fade(duration.atMs, atMs, latencyHalfLifeMs)
  const weight = fade(atMs, duration.atMs, latencyHalfLifeMs)
  duration.weight = duration.weight * fading + weight
  const difference = valueMs - duration.mean
  duration.mean += (difference * weight) / duration.weight
  duration.squares = duration.squares * fading + weight * difference * (valueMs - duration.mean)
  duration.atMs = Math.max(duration.atMs, atMs)
}

export function durationEstimate(duration: Duration, now: number): DurationEstimate | undefined {
  if (duration.weight === 0) return undefined
  return {
    meanMs: duration.mean,
    deviationMs: Math.sqrt(Math.max(0, duration.squares / duration.weight)),
    samples: duration.weight * fade(duration.atMs, now, latencyHalfLifeMs),
  }
}
