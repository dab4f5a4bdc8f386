/** The factors of the best few side by side, with their bounds and what they rest on. */
import type { Decision, Ranking } from '../decision.ts'
import { atBest, fixed, milliseconds, percent, workerName } from './reason.ts'

/** Enough to compare; the decision itself has more. */
const rowsMax = 5

const columns: readonly (readonly [title: string, cell: (one: Ranking) => string])[] = [
  ['node', (one) => workerName(one.worker)],
  ['right, in time', (one) => range(one.reliability, atBest(one))],
  ['whole', (one) => range(one.completionLowerBound, one.completionUpperBound)],
  ['seen', (one) => count(one.completionSamples)],
  ['rules kept', ({ clean }) => percent(clean)],
  ['stays', ({ availability }) => percent(availability)],
  ['in time', ({ timely }) => percent(timely)],
  ['done after', (one) => milliseconds(one.predictedTotalMs)],
  ['load', ({ load }) => fixed(load)],
  ['µ$', ({ price }) => fixed(price)],
]

/** Where the table has more columns than a line, there is none: the lines above say the same. */
export function bestInNumbers(
  { chosen, comparedWith, eligible, rankings }: Decision,
  width: number,
) {
  if (eligible < 2) return ''
  const shown = rankings.filter(
    ({ rank, worker }) => rank <= rowsMax || worker === chosen || worker === comparedWith,
  )
  const rows = [
    ['', ...columns.map(([title]) => title)],
    ...shown.map((one) => [
      one.worker === chosen ? '→' : ' ',
      ...columns.map(([, cell]) => cell(one)),
    ]),
  ]
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  const lines = rows.map((row) => line(row, widths))
  if (Math.max(...lines.map(({ length }) => length)) > width) return ''
  return ['The best in numbers', ...lines].join('\n')
}

function line(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, i) => cell.padEnd(widths[i] ?? 0))
  const [mark = '', ...others] = cells
  return `${mark} ${others.join('  ')}`.trimEnd()
}

function range(least: number, most: number): string {
  return `${percent(least).replace(/ %$/, '')} to ${percent(most)}`
}

function count(samples: number): string {
  return samples > 0 && samples < 0.95 ? 'under 1' : `${Math.round(samples)}`
}
