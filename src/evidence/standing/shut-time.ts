/** For how long a gate stays shut before a re-check. */
import type { IncidentCause } from './incident.ts'

/** Long enough to see whether the cause has passed, short enough to lose nothing by a mistake. */
const shutMs = 10_000
/** A pace is the machine’s: it does not change within seconds, and a re-check takes real work. */
const slowShutMs = 60_000
/** Doubled with each recurrence: whoever keeps failing costs a request in ten minutes. */
const shutMsMax = 600_000

export function shutTimeMs(cause: IncidentCause, recurrences: number): number {
  const firstMs = cause === 'below-floor' || cause === 'below-claim' ? slowShutMs : shutMs
  return Math.min(firstMs * 2 ** recurrences, shutMsMax)
}
