/** Tables in text: lines and cells, and what is said of one that is not as it should be. */
import { IsochroneError } from '../../../protocol/index.ts'
import { plainText } from '../../plain-text.ts'

/** The largest public traces have 60 MB; 256 MB hold weeks of requests. */
const textBytesMax = 256 * 1024 * 1024

export interface Row {
  /** From 1. */
  readonly line: number
  readonly text: string
}

/** The lines that hold something. */
export function rowsOf(bytes: Uint8Array, name: string): readonly Row[] {
  const lines = plainText(bytes, { name, bytesMax: textBytesMax }).split('\n')
  const rows: Row[] = []
  for (const [index, line] of lines.entries()) {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line
    if (text.trim() !== '') rows.push({ line: index + 1, text })
  }
  return rows
}

/** Cells by commas; quoted cells may hold commas. */
export function cellsOf(text: string): readonly string[] {
  if (!text.includes('"')) return text.split(',').map((cell) => cell.trim())
  const cells: string[] = []
  let cell = ''
  let isQuoted = false
  for (const letter of text) {
    if (letter === '"') isQuoted = !isQuoted
    else if (letter === ',' && !isQuoted) {
      cells.push(cell.trim())
      cell = ''
    } else cell += letter
  }
  cells.push(cell.trim())
  return cells
}

export interface Place {
  readonly name: string
  readonly line: number
  /** From 1; of a cell, or of a letter where the line has no cells. */
  readonly column: number
}

const plainNumber = /^\d+(?:\.\d*)?(?:e[+-]?\d{1,3})?$/i

export function numberAt(text: string, place: Place, what: string): number {
  if (plainNumber.test(text)) return Number(text)
  failAt(place, `“${text.slice(0, 40)}” is no ${what}`)
}

export function failAt({ name, line, column }: Place, what: string): never {
  fail(name, `line ${line}, column ${column}: ${what}`)
}

export function fail(name: string, what: string): never {
  throw new IsochroneError('invalid_configuration', `${name} ${what}.`, { detail: { file: name } })
}
