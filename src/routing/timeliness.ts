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
import { bounded, farDeviations, spread, unseenSquare, within } from './prediction.ts'
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
  const { ttftMs, tpotMs } = sourceOf(pool).demand.request.objective
  if (ttftMs !== null) judgeBy(pool, { timing: 'ttft', limitMs: ttftMs, isSecond: false })
  if (tpotMs !== null) judgeBy(pool, { timing: 'tpot', limitMs: tpotMs, isSecond: ttftMs !== null })
}

interface Judged {
  readonly timing: 'ttft' | 'tpot'
  readonly limitMs: number
  /** The product with what is there already counts. */
  readonly isSecond: boolean
}

function judgeBy(pool: Pool, { timing, limitMs, isSecond }: Judged): void {
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
    const mean = isSecond ? (timely[i] as number) : 1
    const atLeast = isSecond ? (outlooks[out + to.timelyAtLeast] as number) : 1
    const atMost = isSecond ? (outlooks[out + to.timelyAtMost] as number) : 1
    const samples = timeliness[at + cell.samples] as number
    let total = samples + claimSamples
    let share: number
    if (samples >= 0) {
      // As `spread` and `within` have it, but for most without a root and quotients.
      const squares =
        (timeliness[at + cell.squares] as number) + unseenSquare(expectedMs) * claimSamples
      const gapMs = limitMs - expectedMs
      if (gapMs > roundingMs && gapMs * gapMs * total > farSquare * squares) {
        timely[i] = mean
        outlooks[out + to.timelyAtLeast] = atLeast * (timeliness[at + cell.sureAtLeast] as number)
        outlooks[out + to.timelyAtMost] = atMost * (timeliness[at + cell.sureAtMost] as number)
        continue
      }
      share = within(limitMs, expectedMs, Math.sqrt(squares / total))
    } else {
      const asked = { timing, load: loadAt(pool, i), limitMs, expectedMs, claimSamples }
      ;({ share, total } = seenOf(table.candidates[row] as Candidate, asked))
    }
    timely[i] = mean * share
    outlooks[out + to.timelyAtLeast] = atLeast * shareAtLeast(share, total)
    outlooks[out + to.timelyAtMost] = atMost * shareAtMost(share, total)
  }
}

/** So far within the limit that no rounding makes `within` another number than 1. */
const farSquare = 1.001 * farDeviations ** 2
const roundingMs = 1e-6

/** An object for each candidate would be to be collected. */
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
