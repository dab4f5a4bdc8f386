/**
 * Aligned columns for a person: no lines, two spaces between columns, the last one unpadded.
 */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')

/** Characters on screen: colours take none. */
export function widthOf(text: string): number {
  return text.replaceAll(escapes, '').length
}

export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paintTitle: (text: string) => string = (text) => text,
): string {
  const widths = columns.map((column, i) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[i] ?? ''))),
  )
  const line = (cells: readonly string[]) =>
    columns
      .map((column, i) => pad(cells[i] ?? '', widths[i] ?? 0, column.align ?? 'left'))
      .join('  ')
      .trimEnd()
  const head = paintTitle(line(columns.map((column) => column.title)))
  return `${[head, ...rows.map(line)].join('\n')}\n`
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const fill = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'right' ? fill + text : text + fill
}
