/** What the speed of light in fibre says of a round trip between two places. */
import { distanceKm, type Place } from './cells.ts'

/** c × 2/3: the usual figure for fibre. */
export const fibreKmPerMs = (299.792458 * 2) / 3

/**
 * Faster than that before anything is refuted. Common fibre has a group index of 1.468 (ITU-T
 * G.652), which is 0.681 c or 2.2 % faster; the earth is no sphere, up to 0.6 %; clocks of
 * machines are off by 0.01 %. Links that are not fibre all the way (microwave between exchanges,
 * lasers between satellites) could beat it over a whole path; none is on public networks of today
 * with an advantage that its detours leave standing.
 */
const speedTolerance = 0.05

/** What light in fibre along the great circle takes from centre to centre and back. */
export function fibreRoundTripMs(a: Place, b: Place): number {
  return (2 * distanceKm(a.direction, b.direction)) / fibreKmPerMs
}

/** No round trip between two points of these cells can be shorter. 0: they may be one point. */
export function leastRoundTripMs(a: Place, b: Place): number {
  const apartKm = distanceKm(a.direction, b.direction) - a.radiusKm - b.radiusKm
  return (2 * Math.max(0, apartKm)) / (fibreKmPerMs * (1 + speedTolerance))
}

/** How far from a point of the cell, seen from its centre, an answer can have come from. */
export function reachKm(witness: Place, roundTripMs: number): number {
  return (roundTripMs / 2) * fibreKmPerMs * (1 + speedTolerance) + witness.radiusKm
}
