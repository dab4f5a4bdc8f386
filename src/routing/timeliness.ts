/**
 * The probability that a candidate meets the request's objective at the load that it has now.
 *
 * What was seen at such a load counts as it was; before there is any, the prediction and its spread
 * stand for it, at the weight of what they rest on. The bounds are Wilson's (1927).
 */
import type { DurationEstimate, LatencySketch } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import { type Demand, percentile95, spread, within } from './prediction.ts'
import type { CandidateTable } from './table.ts'

/** Filled in place, for one candidate after the other: to be read before the next call. */
export interface Timeliness {
  mean: number
  /** Below this with a probability of 5 %. */
  lower: number
  /** Above this with a probability of 5 %. */
  upper: number
}

const into: Timeliness = { mean: 1, lower: 1, upper: 1 }
const z = percentile95

/** What is asked of one candidate: an object for each would be to be collected. */
const asked = { limitMs: 0, expectedMs: 0, claimSamples: 0, now: 0 }

/** Of what the request asks for: the first token's time, the further ones', or both. */
export function timelinessOf(
  table: CandidateTable,
  row: number,
  demand: Demand,
): Readonly<Timeliness> {
  const { policy, prediction, request } = demand
  const { ttftMs, tpotMs } = request.objective
  into.mean = 1
  into.lower = 1
  into.upper = 1
  asked.claimSamples = policy.claimSamples
  if (ttftMs !== null) {
    asked.limitMs = ttftMs
    asked.expectedMs = prediction.ttftMs
    line.samples = table.responseSamples[row] as number
    line.deviationMs = table.responseDeviationMs[row] as number
    if (line.samples >= 0) multiply(line, undefined)
    else multiplySeen(table, row, 'ttft')
  }
  if (tpotMs !== null) {
    asked.limitMs = tpotMs
    asked.expectedMs = prediction.tpotMs
    line.samples = table.paceSamples[row] as number
    line.deviationMs = table.paceDeviationMs[row] as number
    if (line.samples >= 0) multiply(line, undefined)
    else multiplySeen(table, row, 'tpot')
  }
  return into
}

const line = { samples: 0, deviationMs: 0 }

/** Before any load was known: by the times that were seen in the class of the present one. */
function multiplySeen(table: CandidateTable, row: number, timing: 'ttft' | 'tpot'): void {
  const { latency, [timing]: observed } = (table.candidates[row] as Candidate).evidence
  const load = (table.occupancy[row] as number) / (table.slots[row] as number)
  asked.now = latency?.now ?? 0
  multiply(observed, latency?.record.at(timing, load))
}

/**
 * @param observed by which the prediction was made; undefined: nothing was seen
 * @param seen at such a load, where no line says more
 */
function multiply(
  observed: Pick<DurationEstimate, 'deviationMs' | 'samples'> | undefined,
  seen: LatencySketch | undefined,
): void {
  const { limitMs, expectedMs, claimSamples } = asked
  const predicted = within(limitMs, expectedMs, spread(observed, expectedMs, claimSamples))
  const samples = seen === undefined ? 0 : seen.samples(asked.now)
  const weight = seen === undefined ? claimSamples + (observed?.samples ?? 0) : claimSamples
  const total = samples + weight
  const share =
    seen === undefined ? predicted : (seen.within(limitMs) * samples + predicted * weight) / total
  const middle = share + (z * z) / (2 * total)
  const spreadOfShare = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total))
  const scale = 1 + (z * z) / total
  into.mean *= share
  into.lower *= Math.max(0, (middle - spreadOfShare) / scale)
  into.upper *= Math.min(1, (middle + spreadOfShare) / scale)
}
