/**
 * Where a node stands best among the peers that it has measured, by Vivaldi's springs: each peer
 * pulls or pushes along the line between the two by what the prediction is short of the measured
 * round trip. Vivaldi lets the latest sample pull; here all kept ones do, again and again, until
 * the node rests.
 *
 * A spring's force grows with its gap up to `toleranceShare` of the round trip and then stays the
 * same (Huber's loss, by iteratively reweighted means). So what violates the triangle inequality,
 * and whoever lies, pulls no more than any other. A gap that no error explains pulls hardly at all:
 * else a few who agree on a lie would draw the whole federation towards it.
 */
import type { Random } from '../../base/index.ts'
import { coordinateLimits } from './coordinate.ts'
import type { KeptSamples } from './kept-samples.ts'

export interface Body {
  readonly position: Float64Array
  heightMs: number
  /** What remains of the gaps, halved: the other half is the peers' own. */
  adjustmentMs: number
  /** Mean relative gap, each counted as `errorMax` at most. */
  error: number
}

const { dimensions, heightMsMax, adjustmentMsMax, errorMax } = coordinateLimits
/** Below this share of the round trip gaps weigh by their size, above all the same. */
const toleranceShare = 0.15
/** A node that rests needs one or two. */
const passesMax = 10
/** Moved by less than this share of the median round trip, it rests: no prediction shows it. */
const restShare = 0.001
/** In median round trips: farther off is a lie, or a coordinate of another federation. */
const outlierGap = 3
/** Position and height answer the same gaps: both whole, one peer would be overshot for ever. */
const heightGain = 0.7
/** Closer than this there is no direction to push in; a drawn one parts them. */
const togetherMs = 0.001

const pull = new Float64Array(dimensions)

/** @param trust how much each kept sample weighs, by slot */
export function settle(
  body: Body,
  kept: KeptSamples,
  { trust, random }: { readonly trust: Float64Array; readonly random: Random },
): void {
  const medianMs = kept.medianMs()
  const outlierMs = outlierLimitMs(body, kept, outlierGap * medianMs)
  const forces = { trust, random, outlierMs }
  for (let pass = 0; pass < passesMax; pass += 1) {
    if (relax(body, kept, forces) < restShare * medianMs) return
  }
}

/** Where most would be outliers, it is oneself who stands wrong, and all must pull. */
function outlierLimitMs(body: Body, kept: KeptSamples, limitMs: number): number {
  let outliers = 0
  for (let slot = 0; slot < kept.size; slot += 1) {
    const gapMs = (kept.roundTripsMs[slot] as number) - predictedMs(body, kept, slot)
    if (Math.abs(gapMs) > limitMs) outliers += 1
  }
  return outliers * 2 < kept.size ? limitMs : Number.POSITIVE_INFINITY
}

function predictedMs(body: Body, kept: KeptSamples, slot: number): number {
  return distanceTo(body, kept, slot) + body.heightMs + (kept.heightsMs[slot] as number)
}

function distanceTo({ position }: Body, { positions }: KeptSamples, slot: number): number {
  const first = slot * dimensions
  let squares = 0
  for (let axis = 0; axis < dimensions; axis += 1) {
    const difference = (position[axis] as number) - (positions[first + axis] as number)
    squares += difference * difference
  }
  return Math.sqrt(squares)
}

interface Forces {
  readonly trust: Float64Array
  readonly random: Random
  readonly outlierMs: number
}

/** One move to the mean of where each peer would have the node. Returns how far, in ms. */
function relax(body: Body, kept: KeptSamples, forces: Forces): number {
  const { trust, random, outlierMs } = forces
  const { position } = body
  const { positions, heightsMs, roundTripsMs, size } = kept
  let weights = 0
  let heightPull = 0
  let relativeGaps = 0
  let trusted = 0
  pull.fill(0)
  for (let slot = 0; slot < size; slot += 1) {
    const first = slot * dimensions
    const distance = distanceTo(body, kept, slot)
    const roundTripMs = roundTripsMs[slot] as number
    const gapMs = roundTripMs - distance - body.heightMs - (heightsMs[slot] as number)
    const sizeMs = Math.abs(gapMs)
    const slotTrust = trust[slot] as number
    const doubt = sizeMs > outlierMs ? (outlierMs / sizeMs) ** 2 : 1
    const weight = (slotTrust * doubt) / Math.max(sizeMs, toleranceShare * roundTripMs)
    weights += weight
    heightPull += weight * gapMs
    relativeGaps += slotTrust * Math.min(errorMax, sizeMs / roundTripMs)
    trusted += slotTrust
    if (distance < togetherMs) pushAnywhere(weight * gapMs, random)
    else {
      const force = (weight * gapMs) / distance
      for (let axis = 0; axis < dimensions; axis += 1) {
        const difference = (position[axis] as number) - (positions[first + axis] as number)
        pull[axis] = (pull[axis] as number) + force * difference
      }
    }
  }
  if (trusted === 0) return 0
  let movedSquares = 0
  for (let axis = 0; axis < dimensions; axis += 1) {
    const step = (pull[axis] as number) / weights
    position[axis] = (position[axis] as number) + step
    movedSquares += step * step
  }
  const remainsMs = heightPull / weights
  body.heightMs = Math.max(0, Math.min(heightMsMax, body.heightMs + heightGain * remainsMs))
  body.adjustmentMs = Math.max(-adjustmentMsMax, Math.min(adjustmentMsMax, remainsMs / 2))
  body.error = relativeGaps / trusted
  return Math.sqrt(movedSquares)
}

function pushAnywhere(force: number, random: Random): void {
  const direction = new Float64Array(dimensions)
  let squares = 0
  for (let axis = 0; axis < dimensions; axis += 1) {
    // The sum of three uniform draws is near enough to a normal one for an even direction.
    const value = random.float() + random.float() + random.float() - 1.5
    direction[axis] = value
    squares += value * value
  }
  const scale = force / Math.sqrt(Math.max(squares, Number.MIN_VALUE))
  for (let axis = 0; axis < dimensions; axis += 1) {
    pull[axis] = (pull[axis] as number) + (direction[axis] as number) * scale
  }
}
