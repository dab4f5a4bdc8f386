/**
 * Cells of the earth: H3's hexagons, nested from 4,300,000 km² (resolution 0) to 1,770 km² (4).
 *
 * A node tells the cell that it is in, not the point. H3 is C in JavaScript and takes some 10 MB of
 * memory when it is loaded, 20 MB once it has been used: it is loaded when the first location is
 * declared, and nobody pays for it before.
 */
import { assert } from '../../base/index.ts'

/** An H3 index in hexadecimal, 15 digits. */
export type Cell = string

export interface Point {
  /** Degrees, −90 to 90. */
  readonly latitude: number
  /** Degrees, −180 to 180. */
  readonly longitude: number
}

/** A unit vector from the earth's centre. */
export type Direction = readonly [x: number, y: number, z: number]

export interface Place {
  readonly cell: Cell
  readonly resolution: number
  readonly centre: Point
  readonly direction: Direction
  /** From the centre to the farthest corner. */
  readonly radiusKm: number
  /** The cell, or what of it is in `cellResolutions`, and those around it; finest first. */
  readonly ancestors: readonly { readonly resolution: Resolution; readonly cell: Cell }[]
}

export interface CellGrid {
  /** The cell around a point. */
  cellAt(point: Point, resolution?: number): Cell
  /** undefined: no cell, or a finer one than is used here. */
  place(cell: Cell): Place | undefined
}

/**
 * Resolutions at which pairs of cells are kept, finest first: a metropolis (26 km to a corner), a
 * province (180 km), a country (480 km), a part of a continent (1,280 km). On held-out cloud
 * regions all five resolutions from 4 to 0 told no more than these four.
 */
export const cellResolutions = [4, 2, 1, 0] as const
export type Resolution = (typeof cellResolutions)[number]

/** The finest that may be declared: 0.25 ms of light and no nearer to anyone's house. */
export const cellResolutionMax = cellResolutions[0]

/** Mean radius (IUGG). The true earth differs by 0.6 % at most; the speed check allows for it. */
export const earthRadiusKm = 6371.009

/** Places that are remembered: 1 MB. A federation has fewer cities; beyond, they are made anew. */
const placesMax = 4096

export async function loadCellGrid(): Promise<CellGrid> {
  const h3 = await import('h3-js')
  const places = new Map<Cell, Place>()
  const placeOf = (cell: Cell): Place | undefined => {
    if (!/^[0-9a-f]{15}$/.test(cell) || !h3.isValidCell(cell)) return undefined
    const resolution = h3.getResolution(cell)
    if (resolution > cellResolutionMax) return undefined
    const [latitude, longitude] = h3.cellToLatLng(cell)
    const direction = directionOf({ latitude, longitude })
    const corners = h3
      .cellToBoundary(cell)
      .map(([lat, lng]) => distanceKm(direction, directionOf({ latitude: lat, longitude: lng })))
    const ancestors = cellResolutions
      .filter((level) => level <= resolution)
      .map((level) => ({ resolution: level, cell: h3.cellToParent(cell, level) }))
    const centre = { latitude, longitude }
    return { cell, resolution, centre, direction, radiusKm: Math.max(...corners), ancestors }
  }
  return {
    cellAt({ latitude, longitude }, resolution = cellResolutionMax) {
      assert(isPoint({ latitude, longitude }), 'a point of the earth, in degrees')
      return h3.latLngToCell(latitude, longitude, resolution)
    },
    place(cell) {
      const known = places.get(cell)
      if (known !== undefined) return known
      const made = placeOf(cell)
      if (made === undefined) return undefined
      if (places.size >= placesMax) places.clear()
      places.set(cell, made)
      return made
    },
  }
}

export function isPoint({ latitude, longitude }: Point): boolean {
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180
}

export function directionOf({ latitude, longitude }: Point): Direction {
  const north = (latitude * Math.PI) / 180
  const east = (longitude * Math.PI) / 180
  const fromAxis = Math.cos(north)
  return [fromAxis * Math.cos(east), fromAxis * Math.sin(east), Math.sin(north)]
}

/** Along a great circle; exact for near points too, where the arc cosine is not. */
export function distanceKm([ax, ay, az]: Direction, [bx, by, bz]: Direction): number {
  const chord = Math.hypot(ax - bx, ay - by, az - bz)
  return 2 * earthRadiusKm * Math.asin(Math.min(1, chord / 2))
}
