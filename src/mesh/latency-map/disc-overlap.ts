/**
 * Whether discs on the earth have a point in common.
 *
 * Each disc says “the node is within this reach of me”. What some discs have in common has a corner
 * where two of their edges cross, unless it is a whole disc; so only the corners and the discs’
 * centres need to be tried.
 */
import { type Direction, earthRadiusKm } from './cells.ts'

export interface Disc {
  readonly centre: Direction
  readonly reachKm: number
}

/** On the sphere, as a share of its radius: 6 cm. Edges count as inside, computed as they are. */
const edgeTolerance = 1e-8

/** Whether so many of the discs have a point in common. */
export function haveCommonPoint(discs: readonly Disc[], enough: number): boolean {
  const caps = discs.map(({ centre, reachKm }) => {
    return { centre, cosine: Math.cos(Math.min(Math.PI, reachKm / earthRadiusKm)) }
  })
  const isCommon = (point: Direction) => {
    let count = 0
    for (const { centre, cosine } of caps) {
      if (dot(centre, point) >= cosine - edgeTolerance) count += 1
    }
    return count >= enough
  }
  if (caps.some(({ centre }) => isCommon(centre))) return true
  return caps.some((cap, i) =>
    caps.slice(i + 1).some((other) => crossings(cap, other).some(isCommon)),
  )
}

interface Cap {
  readonly centre: Direction
  readonly cosine: number
}

/** Where the edges of two caps cross: none, or two points. */
function crossings(a: Cap, b: Cap): readonly Direction[] {
  const cosine = dot(a.centre, b.centre)
  const sineSquared = 1 - cosine * cosine
  if (sineSquared < 1e-15) return []
  const p = (a.cosine - cosine * b.cosine) / sineSquared
  const q = (b.cosine - cosine * a.cosine) / sineSquared
  const inPlane = sum(scaled(a.centre, p), scaled(b.centre, q))
  const left = 1 - dot(inPlane, inPlane)
  if (left < -edgeTolerance) return []
  const away = scaled(cross(a.centre, b.centre), Math.sqrt(Math.max(0, left) / sineSquared))
  return [sum(inPlane, away), sum(inPlane, scaled(away, -1))]
}

function dot([ax, ay, az]: Direction, [bx, by, bz]: Direction): number {
  return ax * bx + ay * by + az * bz
}

function cross([ax, ay, az]: Direction, [bx, by, bz]: Direction): Direction {
  return [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
}

function sum([ax, ay, az]: Direction, [bx, by, bz]: Direction): Direction {
  return [ax + bx, ay + by, az + bz]
}

function scaled([x, y, z]: Direction, factor: number): Direction {
  return [x * factor, y * factor, z * factor]
}
