/**
 * The probability that a candidate meets the request's objective at the load that it has now.
 *
 * What was seen at such a load counts as it was; before there is any, the prediction and its spread
 * stand for it, at the weight of what they rest on.
 */
import type { Candidate } from './candidate.ts'
import {
  furtherTokens,
  outlook,
  outlooksPerRow,
  time,
  timeliness,
  timelinessPerRow,
  timesPerRow,
} from './layout.ts'
import { loadAt, type Pool, sourceOf } from './pool.ts'
import { bounded, spread, within } from './prediction.ts'
import { shareAtLeast, shareAtMost } from './share-bounds.ts'

// Constants of this file, for the loops (`layout.ts`).
const cell = timeliness
const width = timelinessPerRow
const timeCell = time
const timeWidth = timesPerRow
const to = outlook
const widthOut = outlooksPerRow

/** Of what the request asks for: the first token's time, the further ones', or both. */
export function judgeTimes(pool: Pool): void {
  if (!pool.isTimed) return
  const { size, timely, outlooks } = pool
  const { ttftMs, tpotMs } = sourceOf(pool).demand.request.objective
  timely.fill(1, 0, size)
  for (let i = 0; i < size; i += 1) {
    outlooks[i * widthOut + to.timelyAtLeast] = 1
    outlooks[i * widthOut + to.timelyAtMost] = 1
  }
  if (ttftMs !== null) multiplyBy(pool, 'ttft', ttftMs)
  if (tpotMs !== null) multiplyBy(pool, 'tpot', tpotMs)
}

function multiplyBy(pool: Pool, timing: 'ttft' | 'tpot', limitMs: number): void {
  const { table, demand } = sourceOf(pool)
  const { times, timeliness } = table
  const { claimSamples } = demand.policy
  const { size, rows, timely, outlooks } = pool
  const isFirst = timing === 'ttft'
  const first = isFirst ? 0 : furtherTokens
  for (let i = 0; i < size; i += 1) {
    const row = rows[i] as number
    const at = row * width + first
    const out = i * widthOut
    const expectedMs = isFirst
      ? (outlooks[out + to.ttftMs] as number)
      : bounded(times[row * timeWidth + timeCell.tpotMs] as number)
    const atLeast = outlooks[out + to.timelyAtLeast] as number
    const atMost = outlooks[out + to.timelyAtMost] as number
    let total: number
    let share: number
    line.samples = timeliness[at + cell.samples] as number
    if (line.samples >= 0) {
      line.deviationMs = timeliness[at + cell.deviationMs] as number
      share = within(limitMs, expectedMs, spread(line, expectedMs, claimSamples))
      if (share === 1) {
        // So it is with most, where the objective is a usual one.
        outlooks[out + to.timelyAtLeast] = atLeast * (timeliness[at + cell.sureAtLeast] as number)
        outlooks[out + to.timelyAtMost] = atMost * (timeliness[at + cell.sureAtMost] as number)
        continue
      }
      total = claimSamples + line.samples
    } else {
      const asked = { timing, load: loadAt(pool, i), limitMs, expectedMs, claimSamples }
      ;({ share, total } = seenOf(table.candidates[row] as Candidate, asked))
    }
    timely[i] = (timely[i] as number) * share
    outlooks[out + to.timelyAtLeast] = atLeast * shareAtLeast(share, total)
    outlooks[out + to.timelyAtMost] = atMost * shareAtMost(share, total)
  }
}

/** An object for each candidate would be to be collected. */
const line = { samples: 0, deviationMs: 0 }
const seen = { share: 0, total: 0 }

interface Asked {
  readonly timing: 'ttft' | 'tpot'
  readonly load: number
  readonly limitMs: number
  readonly expectedMs: number
  readonly claimSamples: number
}

/** Before any line was fitted: by the times that were seen in the class of the present load. */
function seenOf({ evidence }: Candidate, asked: Asked): Readonly<typeof seen> {
  const { timing, load, limitMs, expectedMs, claimSamples } = asked
  const { latency, [timing]: observed } = evidence
  const predicted = within(limitMs, expectedMs, spread(observed, expectedMs, claimSamples))
  const sketch = latency?.record.at(timing, load)
  const samples = sketch === undefined ? 0 : sketch.samples(latency?.now ?? 0)
  const weight = sketch === undefined ? claimSamples + (observed?.samples ?? 0) : claimSamples
  seen.total = samples + weight
  seen.share =
    sketch === undefined
      ? predicted
      : (sketch.within(limitMs) * samples + predicted * weight) / seen.total
  return seen
}
