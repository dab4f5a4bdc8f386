/**
 * Aligned columns for a person: no lines, two spaces between columns, the last one unpadded. What
 * is wider than the screen is not left to the screen to break: the last column is wrapped where it
 * has a place to be, else each row becomes a few lines of its own.
 */
import { widthOf } from './width.ts'
import { wrap } from './wrap.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

export interface TableLook {
  readonly paintTitle: (text: string) => string
  /** Of the screen; without one, lines are as long as they are. */
  readonly width: number
}

type Row = readonly string[]

/** A narrower last column reads worse than rows as lines of their own. */
const wrappedWidthMin = 20

export function renderTable(
  columns: readonly Column[],
  rows: readonly Row[],
  look: TableLook = { paintTitle: (text) => text, width: Number.POSITIVE_INFINITY },
): string {
  const { last, left, room, widths } = measure(columns, rows, look.width)
  if (!fitsTable(columns, rows, look.width)) return renderRows(columns, rows, look)
  const line = (cells: Row) =>
    columns
      .map((column, i) => pad(cells[i] ?? '', widths[i] ?? 0, column.align ?? 'left'))
      .join('  ')
      .trimEnd()
  const lines = (cells: Row) => {
    const [first = '', ...rest] = wrap(cells[last] ?? '', room)
    const head = line([...cells.slice(0, last), first])
    return [head, ...rest.map((part) => `${' '.repeat(left)}${part}`)]
  }
  const head = look.paintTitle(line(columns.map((column) => column.title)))
  return `${[head, ...rows.flatMap(lines)].join('\n')}\n`
}

/** The rows are lines of a table on a screen of that width, or with a last column of many. */
export function fitsTable(
  columns: readonly Column[],
  rows: readonly Row[],
  screenWidth: number,
): boolean {
  const { last, room, widths } = measure(columns, rows, screenWidth)
  return room >= Math.min(widths[last] ?? 0, wrappedWidthMin)
}

function measure(columns: readonly Column[], rows: readonly Row[], screenWidth: number) {
  const widths = columns.map((column, i) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[i] ?? ''))),
  )
  const last = columns.length - 1
  const left = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0)
  return { last, left, room: screenWidth - left, widths }
}

/** Between words that stay together; no table holds one. */
const gap = '\u0000'

/** The first cell, and under it the others, each after its title. */
function renderRows(columns: readonly Column[], rows: readonly Row[], look: TableLook): string {
  const room = look.width - 2
  const lines = rows.flatMap(([first = '', ...rest]) => {
    const cells = rest.map((cell, i) => `${(columns[i + 1]?.title ?? '').toLowerCase()} ${cell}`)
    const whole = cells.map((cell) => (widthOf(cell) < room ? cell.replaceAll(' ', gap) : cell))
    const under = wrap(whole.join(', '), room).map((part) => `  ${part.replaceAll(gap, ' ')}`)
    return [look.paintTitle(first), ...under]
  })
  return `${lines.join('\n')}\n`
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const fill = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'right' ? fill + text : text + fill
}
