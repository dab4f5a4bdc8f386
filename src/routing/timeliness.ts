/**
 * The probability that a candidate meets the request's objective at the load that it has now.
 *
 * What was seen at such a load counts as it was; before there is any, the prediction and its spread
 * stand for it, at the weight of what they rest on. The bounds are Wilson's (1927).
 */
import type { LatencyEvidence } from '../evidence/index.ts'
import { type Candidate, occupancyOf, slotsOf } from './candidate.ts'
import { type Demand, type Prediction, percentile95, spread, within } from './prediction.ts'

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

/** Of what the request asks for: the first token's time, the further ones', or both. */
export function timelinessOf(
  candidate: Candidate,
  demand: Demand,
  prediction: Readonly<Prediction>,
): Readonly<Timeliness> {
  const { ttftMs, tpotMs } = demand.request.objective
  into.mean = 1
  into.lower = 1
  into.upper = 1
  const about = { candidate, demand, load: occupancyOf(candidate) / slotsOf(candidate) }
  if (ttftMs !== null) multiply(about, 'ttft', { limitMs: ttftMs, expectedMs: prediction.ttftMs })
  if (tpotMs !== null) multiply(about, 'tpot', { limitMs: tpotMs, expectedMs: prediction.tpotMs })
  return into
}

interface About {
  readonly candidate: Candidate
  readonly demand: Demand
  /** Requests per slot. */
  readonly load: number
}

interface Expected {
  readonly limitMs: number
  readonly expectedMs: number
}

function multiply(
  { candidate, demand, load }: About,
  timing: 'ttft' | 'tpot',
  { limitMs, expectedMs }: Expected,
): void {
  const { claimSamples } = demand.policy
  const { evidence } = candidate
  const line = timing === 'ttft' ? evidence.response : evidence.pace
  const observed = line ?? evidence[timing]
  const predicted = within(limitMs, expectedMs, spread(observed, expectedMs, claimSamples))
  const seen = line === undefined ? seenAt(evidence.latency, timing, load) : undefined
  const samples = seen?.samples(evidence.latency?.now ?? 0) ?? 0
  const weight = seen === undefined ? claimSamples + (observed?.samples ?? 0) : claimSamples
  const total = samples + weight
  const share = ((seen?.within(limitMs) ?? 0) * samples + predicted * weight) / total
  const middle = share + (z * z) / (2 * total)
  const spreadOfShare = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total))
  const scale = 1 + (z * z) / total
  into.mean *= share
  into.lower *= Math.max(0, (middle - spreadOfShare) / scale)
  into.upper *= Math.min(1, (middle + spreadOfShare) / scale)
}

function seenAt(latency: LatencyEvidence | undefined, timing: 'ttft' | 'tpot', load: number) {
  return latency?.record.at(timing, load)
}
