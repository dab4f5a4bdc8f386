/**
 * How long to wait before trying again: exponential with full jitter, so that nodes which lost the
 * same gateway do not return together (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).
 */
import type { Random } from '../base/index.ts'

export interface BackoffOptions {
  readonly firstMs: number
  readonly maxMs: number
}

/** @param failures how many attempts have failed in a row, at least 1 */
export function backoffMs(failures: number, options: BackoffOptions, random: Random): number {
  const ceiling = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(failures - 1, 30))
  // Never zero: a quarter of the ceiling keeps a lost gateway from being hammered.
  return ceiling * (0.25 + 0.75 * random.float())
}
