/**
 * A node's place in the federation's space of round trips: Euclidean, with a height for the way
 * from the node to the core that all its paths share (Vivaldi: Dabek, Cox, Kaashoek, Morris, 2004)
 * and an adjustment for what neither explains (Lee, Zhang, Sahu, Saha, 2006; serf).
 */
export interface Coordinate {
  /** Ms; `coordinateLimits.dimensions` of them. */
  readonly position: readonly number[]
  /** Ms, not negative. */
  readonly heightMs: number
  /** Ms, of either sign; a share of what remains between predicted and measured. */
  readonly adjustmentMs: number
  /** Relative error of its predictions as its owner sees it: 0 is exact, `errorMax` a guess. */
  readonly error: number
}

export const coordinateLimits = Object.freeze({
  /** serf's number too. The fifth to eighth still help, later ones hardly (docs/decisions/0024). */
  dimensions: 8,
  /** Ten times around the earth in fibre, from the origin. What lies beyond is made up. */
  distanceMsMax: 5_000,
  /** A satellite's link and a full queue before it. */
  heightMsMax: 2_000,
  adjustmentMsMax: 500,
  /** As in Vivaldi and serf: above 1 a coordinate says nothing. */
  errorMax: 1.5,
  /** Predictions below are no round trips. */
  predictionMsMin: 0.05,
})

export const coordinateBytes = (coordinateLimits.dimensions + 3) * 4

/** Where a node starts that has measured nothing. */
export const origin: Coordinate = Object.freeze({
  position: Object.freeze(new Array<number>(coordinateLimits.dimensions).fill(0)),
  heightMs: 0,
  adjustmentMs: 0,
  error: coordinateLimits.errorMax,
})

/** The round trip between the two owners. */
export function predictMs(one: Coordinate, other: Coordinate): number {
  const bareMs = distanceMs(one, other) + one.heightMs + other.heightMs
  const adjustedMs = bareMs + one.adjustmentMs + other.adjustmentMs
  // As in serf: an adjustment that leaves nothing of the way is not applied.
  return Math.max(coordinateLimits.predictionMsMin, adjustedMs > 0 ? adjustedMs : bareMs)
}

/** Between the positions alone. */
export function distanceMs(one: Coordinate, other: Coordinate): number {
  let squares = 0
  for (let axis = 0; axis < coordinateLimits.dimensions; axis += 1) {
    const difference = (one.position[axis] as number) - (other.position[axis] as number)
    squares += difference * difference
  }
  return Math.sqrt(squares)
}

/** Of a position's way from the origin. A loop: for a spread `Math.hypot` takes a microsecond. */
export function lengthMs(position: ArrayLike<number>): number {
  let squares = 0
  for (let axis = 0; axis < position.length; axis += 1) squares += (position[axis] as number) ** 2
  return Math.sqrt(squares)
}

/** Whether another's coordinate can be what it says; it may still be a lie. */
export function isPlausible(coordinate: Coordinate): boolean {
  const { dimensions, distanceMsMax, heightMsMax, adjustmentMsMax, errorMax } = coordinateLimits
  const { position, heightMs, adjustmentMs, error } = coordinate
  // Comparisons that NaN fails.
  return (
    position.length === dimensions &&
    lengthMs(position) <= distanceMsMax &&
    heightMs >= 0 &&
    heightMs <= heightMsMax &&
    Math.abs(adjustmentMs) <= adjustmentMsMax &&
    error >= 0 &&
    error <= errorMax
  )
}

/** Position, height, adjustment, error: as 32-bit floats, little-endian. */
export function encodeCoordinate(coordinate: Coordinate): Uint8Array {
  const { position, heightMs, adjustmentMs, error } = coordinate
  const view = new DataView(new ArrayBuffer(coordinateBytes))
  for (const [index, value] of [...position, heightMs, adjustmentMs, error].entries()) {
    view.setFloat32(index * 4, value, true)
  }
  return new Uint8Array(view.buffer)
}

/** undefined: it is not as `encodeCoordinate` makes it, or no such place can be. */
export function decodeCoordinate(bytes: Uint8Array): Coordinate | undefined {
  if (bytes.length !== coordinateBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const value = (index: number) => view.getFloat32(index * 4, true)
  const { dimensions } = coordinateLimits
  const coordinate: Coordinate = {
    position: Array.from({ length: dimensions }, (_, axis) => value(axis)),
    heightMs: value(dimensions),
    adjustmentMs: value(dimensions + 1),
    error: value(dimensions + 2),
  }
  return isPlausible(coordinate) ? coordinate : undefined
}
