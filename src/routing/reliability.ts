/**
 * How likely each of the eligible gives a complete and right answer in time: the bounds of its
 * record, of its staying until then, and of its meeting the objective.
 *
 * Of most candidates only one bound matters, and of many not even that to the last digit: so each
 * is worked out where it is asked for.
 */
import { survival } from '../evidence/index.ts'
import { outlook, outlooksPerRow, record, recordsPerRow } from './layout.ts'
import { outlookAt, type Pool, sourceOf } from './pool.ts'

// Constants of this file, for the loops (`layout.ts`).
const cell = record
const width = recordsPerRow
const to = outlook
const widthOut = outlooksPerRow

/** Lower bound of the probability. */
export function reliabilityAt(pool: Pool, index: number): number {
  const { records } = sourceOf(pool).table
  const at = (pool.rows[index] as number) * width
  const stays = survival(
    records[at + cell.hazardUpper] as number,
    outlookAt(pool, index, outlook.totalMs),
  )
  const sound = (records[at + cell.soundAtLeast] as number) * stays
  return pool.isTimed ? sound * outlookAt(pool, index, outlook.timelyAtLeast) : sound
}

/** Upper bound of the same. */
export function reliabilityAtBestAt(pool: Pool, index: number): number {
  const { records } = sourceOf(pool).table
  const at = (pool.rows[index] as number) * width
  const stays = survival(
    records[at + cell.hazardLower] as number,
    outlookAt(pool, index, outlook.totalMs),
  )
  const sound = (records[at + cell.soundAtMost] as number) * stays
  return pool.isTimed ? sound * outlookAt(pool, index, outlook.timelyAtMost) : sound
}

/** The highest lower bound of all. */
export function surestOf(pool: Pool): number {
  let best = 0
  for (let i = nextAbove(pool, 0, best); i < pool.size; i = nextAbove(pool, i + 1, best)) {
    const one = reliabilityAt(pool, i)
    if (one > best) best = one
  }
  return best
}

/** The next whose bound may be higher: few are. A loop with nothing else in it is a short one. */
function nextAbove(pool: Pool, from: number, best: number): number {
  const { size, rows, outlooks, isTimed } = pool
  const { records } = sourceOf(pool).table
  let i = from
  for (; i < size; i += 1) {
    const at = (rows[i] as number) * width
    const out = i * widthOut
    const sound = records[at + cell.soundAtLeast] as number
    if (sound <= best) continue
    // Survival is less than the first three terms of its series.
    const x = (records[at + cell.hazardUpper] as number) * (outlooks[out + to.totalMs] as number)
    let most = sound * (1 - x + (x * x) / 2) + roundingMax
    if (isTimed === true) most *= outlooks[out + to.timelyAtLeast] as number
    if (!(most <= best)) return i
  }
  return i
}

/** Of a few operations on numbers up to 1, by far. */
const roundingMax = 1e-12
