/**
 * What every benchmark ends with: tables for a person, then one line of JSON.
 *
 *   {"bench": NAME, "checks": [{"name", "value", "unit", "reach": "<= 0.4", "pass"}…], "context":
 *   {…}}
 *
 * There is a check for every figure that is to be reached, also for one that falls short or could
 * not be measured (`value` null).
 */
export interface Check {
  readonly name: string
  readonly value: number | null
  readonly unit: string
  /** A comparison and a number, for example `<= 0.4`. */
  readonly reach: string
  readonly pass: boolean
}

export interface Report {
  readonly bench: string
  readonly checks: readonly Check[]
  readonly context: Readonly<Record<string, unknown>>
}

export interface Column<TRow> {
  readonly title: string
  readonly cell: (row: TRow) => string
  /** Text to the left, figures to the right (the default). */
  readonly align?: 'left' | 'right'
}

interface CheckSpec {
  readonly name: string
  readonly value: number | null
  readonly unit: string
  readonly reach: string
}

/** Significant digits that are kept: a noisy machine gives no more. */
const digitsKept = 4

export function check(spec: CheckSpec): Check {
  const { value } = spec
  const isMeasured = value !== null && Number.isFinite(value)
  const kept = isMeasured ? Number(value.toPrecision(digitsKept)) : null
  // What passes is the measured value, not the rounded one.
  return { ...spec, value: kept, pass: isMeasured && reaches(value, spec.reach) }
}

const comparisons: Readonly<Record<string, (value: number, limit: number) => boolean>> = {
  '<=': (value, limit) => value <= limit,
  '<': (value, limit) => value < limit,
  '>=': (value, limit) => value >= limit,
  '>': (value, limit) => value > limit,
}

export function reaches(value: number, reach: string): boolean {
  const [, sign = '', limit = ''] = /^(<=|>=|<|>) (-?\d+(?:\.\d+)?)$/.exec(reach) ?? []
  const compare = comparisons[sign]
  if (compare === undefined) throw new Error(`“${reach}” is no comparison, such as “<= 0.4”`)
  return compare(value, Number(limit))
}

/** Rows under titles, with columns aligned. */
export function renderTable<TRow>(
  rows: readonly TRow[],
  columns: readonly Column<TRow>[],
): readonly string[] {
  const lines = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((column) => column.cell(row))),
  ]
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((cells) => [...(cells[index] ?? '')].length)),
  )
  const pad = (text: string, index: number) => {
    const gap = ' '.repeat((widths[index] ?? 0) - [...text].length)
    return columns[index]?.align === 'left' ? text + gap : gap + text
  }
  const [head = '', ...body] = lines.map((cells) => cells.map(pad).join('  ').trimEnd())
  return [head, '─'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...body]
}

export function renderChecks(checks: readonly Check[]): readonly string[] {
  return renderTable(checks, [
    { title: 'to reach', align: 'left', cell: ({ name }) => name },
    { title: 'measured', cell: ({ value, unit }) => `${value ?? '–'} ${unit}`.trim() },
    { title: 'reach', cell: ({ reach }) => reach },
    { title: '', align: 'left', cell: ({ pass }) => (pass ? 'reached' : 'falls short') },
  ])
}

/** The last line of a benchmark. */
export function renderLastLine({ bench, checks, context }: Report): string {
  return JSON.stringify({ bench, checks, context })
}
