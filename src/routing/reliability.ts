/**
 * How likely each of the eligible gives a complete and right answer in time: the bounds of its
 * record, of its staying until then, and of its meeting the objective.
 *
 * Of most candidates only one bound matters, and of many not even that to the last digit: so each
 * is worked out where it is asked for.
 */
import { survival } from '../evidence/index.ts'
import { outlook, record, recordsPerRow } from './layout.ts'
import { outlookAt, type Pool, sourceOf } from './pool.ts'

const cell = record
const width = recordsPerRow

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
