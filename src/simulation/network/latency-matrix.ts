/**
 * A square matrix of round trips in ms, read from text: a line per site, cells parted by tabs (or
 * commas, or blanks, where the first line has no tab). Gzipped or not. The file is hostile: every
 * fault names its line and column.
 *
 * A cell that is empty, `nan`, negative, or 0 off the diagonal says that nothing was measured. Such
 * a round trip is taken from the other direction, else from the shortest way over one other site;
 * what was done is said in `notes`.
 */
import { IsochroneError } from '../../protocol/index.ts'
import { plainText } from '../plain-text.ts'

export interface LatencyMatrix {
  readonly sites: number
  /** Row-major, ms; the diagonal is 0, all else above 0. */
  readonly roundTripsMs: Float32Array
  /** What a person should know of how the file was read. */
  readonly notes: readonly string[]
}

export const matrixLimits = Object.freeze({
  /** Ten times the largest public matrix; 64 MB as numbers. */
  sitesMax: 4_096,
  /** Such a matrix with 15 characters a cell. */
  textBytesMax: 256 * 1024 * 1024,
  /** Twenty times around the earth by satellite: more is no round trip, or another unit. */
  roundTripMsMax: 60_000,
  /** Half the median in µs: a matrix whose median is above this is hardly in ms. */
  medianMsMax: 5_000,
})

const notMeasured = /^(?:-|nan|na|n\/a|null|inf|infinity)?$/i
const plainNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i

/** @param name for messages, such as the file's path */
export function readLatencyMatrix(bytes: Uint8Array, name: string): LatencyMatrix {
  const lines = plainText(bytes, { name, bytesMax: matrixLimits.textBytesMax }).split('\n')
  while (lines.length > 0 && isBlank(lines.at(-1))) lines.pop()
  const first = lines[0]
  if (first === undefined) fail(name, 'is empty; it should hold a square matrix of round trips')
  const separator = separatorOf(first)
  const sites = lines.length
  const { sitesMax } = matrixLimits
  if (sites > sitesMax) fail(name, `has ${sites} lines; the simulator takes up to ${sitesMax}`)
  if (sites < 2) fail(name, 'has one line; round trips need two sites at least')
  const roundTripsMs = new Float32Array(sites * sites)
  for (const [row, line] of lines.entries()) {
    const cells = cellsOf(line, separator, sites)
    if (cells.length !== sites) {
      const has = cells.length === 1 ? 'one cell' : `${cells.length} cells`
      const ofLine = `line ${row + 1} has ${has}, and there are ${sites} lines`
      fail(name, `is not square: ${ofLine}. One cell per site is needed, parted by tabs`)
    }
    for (const [column, cell] of cells.entries()) {
      const place = { name, row, column }
      roundTripsMs[row * sites + column] = row === column ? diagonal(cell, place) : ms(cell, place)
    }
  }
  const notes = [...notesOf(separator), ...complete(roundTripsMs, sites, name)]
  checkUnit(roundTripsMs, name)
  return { sites, roundTripsMs, notes }
}

function isBlank(line: string | undefined): boolean {
  return line === undefined || line.trim() === ''
}

type Separator = '\t' | ',' | 'blanks'

const separatorWords = { ',': 'commas', blanks: 'blanks' } as const

function separatorOf(line: string): Separator {
  if (line.includes('\t')) return '\t'
  return line.includes(',') ? ',' : 'blanks'
}

/** What a person may not have meant. */
function notesOf(separator: Separator): readonly string[] {
  return separator === '\t'
    ? []
    : [`its cells are parted by ${separatorWords[separator]}, not tabs`]
}

function cellsOf(line: string, separator: Separator, sites: number): readonly string[] {
  const cells = separator === 'blanks' ? line.trim().split(/\s+/) : line.split(separator)
  // Some writers end each cell with a separator, the last one too.
  if (cells.length === sites + 1 && isBlank(cells.at(-1))) cells.pop()
  return cells
}

interface Place {
  readonly name: string
  readonly row: number
  readonly column: number
}

/** 0 where nothing was measured. */
function ms(cell: string, { name, row, column }: Place): number {
  const text = cell.trim()
  if (notMeasured.test(text)) return 0
  const at = `line ${row + 1}, column ${column + 1}`
  if (!plainNumber.test(text)) {
    const hint = row === 0 || column === 0 ? ' (the matrix has no titles)' : ''
    fail(name, `${at}: “${text.slice(0, 40)}” is no number of ms${hint}`)
  }
  const value = Number(text)
  if (value > matrixLimits.roundTripMsMax) {
    fail(name, `${at}: a round trip of ${text} ms is longer than a minute; the unit is ms`)
  }
  return Math.max(0, value)
}

/** A site's round trip to itself is of no use, but a large one means that columns are shifted. */
function diagonal(cell: string, place: Place): number {
  const value = ms(cell, place)
  if (value > 10) {
    const { name, row } = place
    const what = `line ${row + 1}, column ${row + 1}: a site is ${value} ms from itself`
    fail(name, `${what}; lines and columns need the same order`)
  }
  return 0
}

/** Fills in what was not measured. */
function complete(roundTripsMs: Float32Array, sites: number, name: string): string[] {
  const notes: string[] = []
  const mirrored = mirror(roundTripsMs, sites)
  if (mirrored > 0) notes.push(`${mirrored} round trips were measured from one side only`)
  const missing = missingPairs(roundTripsMs, sites)
  if (missing.length === 0) return notes
  const found = missing.map(([one, other]) => ({
    one,
    other,
    detourMs: shortestDetour(roundTripsMs, sites, [one, other]),
  }))
  for (const { one, other, detourMs } of found) {
    if (detourMs === Number.POSITIVE_INFINITY) {
      const what = `lines ${one + 1} and ${other + 1}: neither their round trip nor any way over`
      fail(name, `${what} one other site was measured; leave one of the two out`)
    }
    roundTripsMs[one * sites + other] = detourMs
    roundTripsMs[other * sites + one] = detourMs
  }
  const total = (sites * (sites - 1)) / 2
  const share = ((100 * missing.length) / total).toFixed(1)
  notes.push(
    `${missing.length} pairs (${share} %) were not measured: the shortest detour stands in`,
  )
  return notes
}

function mirror(roundTripsMs: Float32Array, sites: number): number {
  let mirrored = 0
  for (let row = 0; row < sites; row += 1) {
    for (let column = row + 1; column < sites; column += 1) {
      const there = row * sites + column
      const back = column * sites + row
      const [one = 0, other = 0] = [roundTripsMs[there], roundTripsMs[back]]
      if (one > 0 === other > 0) continue
      mirrored += 1
      roundTripsMs[there] = one > 0 ? one : other
      roundTripsMs[back] = one > 0 ? one : other
    }
  }
  return mirrored
}

function missingPairs(roundTripsMs: Float32Array, sites: number): [one: number, other: number][] {
  const missing: [number, number][] = []
  for (let row = 0; row < sites; row += 1) {
    for (let column = row + 1; column < sites; column += 1) {
      if (roundTripsMs[row * sites + column] === 0) missing.push([row, column])
    }
  }
  return missing
}

function shortestDetour(
  roundTripsMs: Float32Array,
  sites: number,
  [one, other]: readonly [number, number],
): number {
  let best = Number.POSITIVE_INFINITY
  for (let over = 0; over < sites; over += 1) {
    const there = roundTripsMs[one * sites + over] as number
    const onward = roundTripsMs[over * sites + other] as number
    if (there > 0 && onward > 0 && there + onward < best) best = there + onward
  }
  return best
}

function checkUnit(roundTripsMs: Float32Array, name: string): void {
  const sorted = Float32Array.from(roundTripsMs).sort()
  const median = sorted[Math.floor(sorted.length / 2)] as number
  if (median <= matrixLimits.medianMsMax) return
  fail(name, `has a median round trip of ${median} ms; the unit is ms, and this looks like µs`)
}

function fail(name: string, what: string, cause?: unknown): never {
  throw new IsochroneError('invalid_configuration', `${name} ${what}.`, {
    detail: { file: name },
    ...(cause === undefined ? {} : { cause }),
  })
}
