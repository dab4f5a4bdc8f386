/**
 * When nodes came and went: lines of `time in ms,add or remove,node`, as recorded of spot instances
 * (Bamboo, NSDI 2023). Whoever comes takes the place that was free the longest; so a place has
 * times in which somebody is there.
 */
import { cellsOf, fail, failAt, numberAt, rowsOf } from './rows.ts'

export interface Session {
  readonly fromMs: number
  /** Infinity: until the end of the trace. */
  readonly toMs: number
}

export interface AvailabilityTrace {
  /** By place, each in the order of time. */
  readonly places: readonly (readonly Session[])[]
  readonly lengthMs: number
}

const eventsMax = 1_000_000

interface Change {
  readonly atMs: number
  readonly comes: boolean
  readonly who: string
  readonly line: number
}

export function readAvailabilityTrace(bytes: Uint8Array, name: string): AvailabilityTrace {
  const rows = rowsOf(bytes, name)
  if (rows.length === 0) fail(name, 'is empty; it should hold lines of time, add or remove, node')
  if (rows.length > eventsMax) fail(name, `holds more than ${eventsMax} lines`)
  const changes: Change[] = []
  for (const { line, text } of rows) {
    const cells = cellsOf(text)
    const [time = '', what = '', who = ''] = cells
    if (cells.length !== 3) fail(name, `line ${line} has ${cells.length} cells instead of three`)
    const isTitle = line === 1 && !/^\d/.test(time)
    if (isTitle && what !== 'add' && what !== 'remove') continue
    const atMs = numberAt(time, { name, line, column: 1 }, 'time in ms')
    if (what !== 'add' && what !== 'remove') {
      failAt({ name, line, column: 2 }, `“${what.slice(0, 40)}” is neither “add” nor “remove”`)
    }
    if (who === '') failAt({ name, line, column: 3 }, 'no node is named')
    changes.push({ atMs, comes: what === 'add', who, line })
  }
  if (changes.length === 0) fail(name, 'names no node that comes')
  // Of one moment, who goes goes first: so its place is free for who comes.
  changes.sort((a, b) => a.atMs - b.atMs || Number(a.comes) - Number(b.comes) || a.line - b.line)
  return placesOf(changes, name)
}

function placesOf(changes: readonly Change[], name: string): AvailabilityTrace {
  const places: Session[][] = []
  const placeOf = new Map<string, number>()
  const since: number[] = []
  const free: number[] = []
  for (const { atMs, comes, who, line } of changes) {
    const held = placeOf.get(who)
    if (comes) {
      if (held !== undefined) failAt({ name, line, column: 3 }, `${who} is added while it is there`)
      const place = free.shift() ?? places.push([]) - 1
      placeOf.set(who, place)
      since[place] = atMs
    } else {
      if (held === undefined) failAt({ name, line, column: 3 }, `${who} is removed but not there`)
      placeOf.delete(who)
      free.push(held)
      places[held]?.push({ fromMs: since[held] ?? 0, toMs: atMs })
    }
  }
  for (const place of placeOf.values()) {
    places[place]?.push({ fromMs: since[place] ?? 0, toMs: Number.POSITIVE_INFINITY })
  }
  return { places, lengthMs: changes.at(-1)?.atMs ?? 0 }
}
