/** The factors of the best few side by side, with their bounds and what they rest on. */
import type { Decision, Ranking } from '../decision.ts'
import { atBest, fixed, milliseconds, percent, timelyAtLeast, workerName } from './reason.ts'

/** Enough to compare; the decision itself has more. */
const rowsMax = 5

const columns: readonly (readonly [title: string, cell: (one: Ranking) => string])[] = [
  ['node', (one) => workerName(one.worker)],
  ['right, in time', (one) => range(one.reliability, atBest(one))],
  ['whole', (one) => range(one.completionLowerBound, one.completionUpperBound)],
  ['seen', (one) => count(one.completionSamples)],
  ['rules kept', ({ clean }) => percent(clean)],
  ['stays', ({ availability }) => percent(availability)],
  ['in time', (one) => range(timelyAtLeast(one), one.timely)],
  ['done after', (one) => milliseconds(one.predictedTotalMs)],
  ['load', ({ load }) => fixed(load)],
  ['µ$', ({ price }) => fixed(price)],
]

/** Who, and how reliable: without these it is no table. */
const columnsMin = 2
/** The first that a narrow screen has no room for: what is left is what the order rests on. */
const leftOut = ['in time', 'stays', 'rules kept', 'whole', 'seen', 'µ$', 'load', 'done after']

/** On a narrow screen columns are left out, and named below. */
export function bestInNumbers(
  { chosen, comparedWith, eligible, rankings }: Decision,
  width: number,
) {
  if (eligible < 2) return ''
  const ranked = rankings.filter(
    ({ rank, worker }) => rank <= rowsMax || worker === chosen || worker === comparedWith,
  )
  for (let missing = 0; ; missing += 1) {
    const without = leftOut.slice(0, missing)
    const shown = columns.filter(([title]) => !without.includes(title))
    const rows = [
      ['', ...shown.map(([title]) => title)],
      ...ranked.map((one) => [
        one.worker === chosen ? '→' : ' ',
        ...shown.map(([, cell]) => cell(one)),
      ]),
    ]
    const lines = aligned(rows)
    const fits = lines.every(({ length }) => length <= width)
    if (!fits && shown.length > columnsMin) continue
    const note = without.length === 0 ? [] : [`  No room for: ${without.join(', ')}.`]
    return ['The best in numbers', ...lines, ...note].join('\n')
  }
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows.map((row) => line(row, widths))
}

function line(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, i) => cell.padEnd(widths[i] ?? 0))
  const [mark = '', ...others] = cells
  return `${mark} ${others.join('  ')}`.trimEnd()
}

function range(least: number, most: number): string {
  const [from, to] = [percent(least), percent(most)]
  return from === to ? to : `${from.replace(/ %$/, '')} to ${to}`
}

function count(samples: number): string {
  return samples > 0 && samples < 0.95 ? 'under 1' : `${Math.round(samples)}`
}
