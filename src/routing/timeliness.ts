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
  outlooksShift,
  rowMask,
  time,
  timeliness,
  timelinessShift,
  timesShift,
} from './layout.ts'
import { loadAt, outlookAt, type Pool, sourceOf } from './pool.ts'
import {
  bounded,
  farDeviations,
  spread,
  unseenSquare,
  unseenVariation as variation,
  within,
} from './prediction.ts'
import { shareAtLeast, shareAtMost } from './share-bounds.ts'

// Constants of this file, for the loops (`layout.ts`).
const mask = rowMask
const cell = timeliness
const shift = timelinessShift
const timeCell = time
const timeShift = timesShift
const to = outlook
const shiftOut = outlooksShift
const unseenVariation = variation

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

function judgeBy(pool: Pool, judged: Judged): void {
  const { timely, outlooks, listed } = pool
  const { isSecond } = judged
  const count = judgeSure(pool, judged)
  for (let one = 0; one < count; one += 1) {
    const i = listed[one] as number
    const out = i << shiftOut
    const { share, total } = shareOf(pool, i, judged)
    const atLeast = isSecond ? (outlooks[out + to.timelyAtLeast] as number) : 1
    const atMost = isSecond ? (outlooks[out + to.timelyAtMost] as number) : 1
    timely[i] = (isSecond ? (timely[i] as number) : 1) * share
    outlooks[out + to.timelyAtLeast] = atLeast * shareAtLeast(share, total)
    outlooks[out + to.timelyAtMost] = atMost * shareAtMost(share, total)
  }
}

/**
 * Those that are predicted far within the limit: as `spread` and `within` have it, without a root
 * and quotients. Most are; a loop that calls nothing is a short one. Lists the others.
 */
function judgeSure(pool: Pool, { timing, limitMs, isSecond }: Judged): number {
  const { table, demand } = sourceOf(pool)
  const { times, timeliness } = table
  const { claimSamples } = demand.policy
  const { size, rows, timely, outlooks, listed } = pool
  const isFirst = timing === 'ttft'
  const first = isFirst ? 0 : furtherTokens
  let count = 0
  for (let i = 0; i < size; i += 1) {
    const row = (rows[i] as number) & mask
    const at = (row << shift) + first
    const out = (i & mask) << shiftOut
    const ms = isFirst
      ? (outlooks[out + to.ttftMs] as number)
      : (times[(row << timeShift) + timeCell.tpotMs] as number)
    const samples = timeliness[at + cell.samples] as number
    const gapMs = limitMs - ms
    const unseenMs = unseenVariation * ms
    const squares = (timeliness[at + cell.squares] as number) + unseenMs * unseenMs * claimSamples
    const isSure =
      samples >= 0 &&
      gapMs > roundingMs &&
      gapMs * gapMs * (samples + claimSamples) > farSquare * squares
    if (!isSure) {
      listed[count] = i
      count += 1
      continue
    }
    let atLeast = timeliness[at + cell.sureAtLeast] as number
    let atMost = timeliness[at + cell.sureAtMost] as number
    if (isSecond) {
      atLeast *= outlooks[out + to.timelyAtLeast] as number
      atMost *= outlooks[out + to.timelyAtMost] as number
    } else timely[i] = 1
    outlooks[out + to.timelyAtLeast] = atLeast
    outlooks[out + to.timelyAtMost] = atMost
  }
  return count
}

/** Of one of them. */
function shareOf(pool: Pool, i: number, { timing, limitMs }: Judged): Readonly<typeof seen> {
  const { table, demand } = sourceOf(pool)
  const { claimSamples } = demand.policy
  const row = pool.rows[i] as number
  const isFirst = timing === 'ttft'
  const at = (row << shift) + (isFirst ? 0 : furtherTokens)
  const expectedMs = bounded(
    isFirst
      ? outlookAt(pool, i, outlook.ttftMs)
      : (table.times[(row << timeShift) + timeCell.tpotMs] as number),
  )
  const samples = table.timeliness[at + cell.samples] as number
  if (samples < 0) {
    const asked = { timing, load: loadAt(pool, i), limitMs, expectedMs, claimSamples }
    return seenOf(table.candidates[row] as Candidate, asked)
  }
  const squares =
    (table.timeliness[at + cell.squares] as number) + unseenSquare(expectedMs) * claimSamples
  seen.total = samples + claimSamples
  seen.share = within(limitMs, expectedMs, Math.sqrt(squares / seen.total))
  return seen
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
