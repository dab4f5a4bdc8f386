/**
 * Candidates with what every decision reads of each, as bare numbers: most of it changes seldom,
 * and is worked out when it does, not for each request. A row says nothing that its candidate does
 * not say; a table that was kept up to date row by row is the same as one that was made at once.
 */
import { assert } from '../base/index.ts'
import type { Response } from '../evidence/index.ts'
import { modelFeatures } from '../protocol/index.ts'
import { type Candidate, occupancyOf, presentOf, slotsOf } from './candidate.ts'
import {
  furtherTokens,
  record,
  recordsPerRow,
  rowMask,
  time,
  timeliness,
  timelinessPerRow,
  timesPerRow,
} from './layout.ts'
import type { RoutingPolicy } from './policy.ts'
import {
  curveSamples,
  heldRatio,
  paceAt,
  ratioSeen,
  repeatsOf,
  usualCompletionTokens,
} from './seen-speed.ts'
import { shareAtLeast, shareAtMost } from './share-bounds.ts'
import { tierOf } from './tier.ts'
import { fitsTier } from './tier-fit.ts'

/** What shuts a candidate out, whatever is asked for. */
export const bars = {
  unoffered: 1,
  disconnected: 2,
  draining: 4,
  dead: 8,
  /** Something serious stands against it. */
  condemned: 16,
  overdue: 32,
  suspect: 64,
  /** Its circuit breaker is open. */
  broken: 128,
  /** It asked to be left alone for a while. */
  waiting: 256,
  /** Its circuit breaker takes a probe: this shuts nobody out. */
  probed: 512,
  /** For the tier of its model. */
  unfit: 1024,
  /** As many wait at it as may. */
  full: 2048,
  /** It was seen to be far slower than it states. */
  overstated: 4096,
  /** It may be tried, although something serious stands against it: this shuts nobody out. */
  probation: 8192,
  /** Its record is too short to judge it by: this shuts nobody out. */
  unproven: 16_384,
} as const
/** Above them a bit for each feature that it lacks, in the order of `modelFeatures`. */
const firstFeatureBit = 16

/** Of a policy, what rows rest on. */
export type RowPolicy = Pick<
  RoutingPolicy,
  | 'claimSamples'
  | 'explorationSamplesMax'
  | 'waitingPerSlotMax'
  | 'overstatedFactorMax'
  | 'overstatedMs'
  | 'overstatedSamplesMin'
  | 'assumedRoundTripMs'
  | 'assumedTtftMs'
  | 'assumedTpotMs'
  | 'tiers'
>

/** Of all rows. */
export interface Extremes {
  /** Bits that somebody has. */
  readonly barred: number
  readonly contextMin: number
}

/** Of a network that fits on a desk; larger ones make it grow. */
const firstCapacity = 64
const featureBit = new Map(modelFeatures.map((one, bit) => [one, 1 << (firstFeatureBit + bit)]))
const allFeatures = featureBits(modelFeatures)

// Constants of this file (`layout.ts`).
const timeCell = time
const timesWidth = timesPerRow
const recordCell = record
const recordsWidth = recordsPerRow
const timelyCell = timeliness

export class CandidateTable {
  readonly policy: RowPolicy
  readonly candidates: Candidate[] = []
  /** Bits of `bars`, and of the features that it lacks, as `featureBits` has them. */
  barred = new Uint32Array(firstCapacity)
  /** Several values for each, as `layout.ts` has them. */
  times = column(timesPerRow)
  records = column(recordsPerRow)
  timeliness = column(timelinessPerRow)
  /** ms per further token, were nobody else there. */
  idleTpotMs = column()
  /** Infinity: it does not say. */
  contextMax = column()
  /** Infinity: it does not say. */
  memoryBytes = column()
  slots = column()
  /** By how much longer first tokens took than stated, as it was seen; 1: too little was. */
  overstatedBy = column()
  promptPrice = column()
  completionPrice = column()
  #extremes: Extremes | undefined

  constructor(policy: RowPolicy) {
    this.policy = policy
  }

  get size(): number {
    return this.candidates.length
  }

  push(candidate: Candidate): void {
    assert(this.size < rowMask, 'a table has less than a million rows')
    if (this.size === this.barred.length) this.#grow()
    this.candidates.push(candidate)
    this.put(this.size - 1, candidate)
  }

  /** Holds on to no candidate any more. */
  clear(): void {
    this.candidates.length = 0
    this.#extremes = undefined
  }

  /** Kept until a row has others of these values, which is seldom. */
  get extremes(): Extremes {
    this.#extremes ??= this.#lookForExtremes()
    return this.#extremes
  }

  #lookForExtremes(): Extremes {
    let barred = 0
    let contextMin = Number.POSITIVE_INFINITY
    for (let row = 0; row < this.size; row += 1) {
      barred |= this.barred[row] as number
      contextMin = Math.min(contextMin, this.contextMax[row] as number)
    }
    return { barred, contextMin }
  }

  /** The candidate in this row is another, or has changed. */
  put(row: number, candidate: Candidate): void {
    this.candidates[row] = candidate
    const [barred, contextMax] = [this.barred[row], this.contextMax[row]]
    this.#putState(row, candidate)
    this.#putSpeed(row, candidate)
    this.#putResponse(row, candidate)
    this.#keepFinite(row)
    const isOther = barred !== this.barred[row] || contextMax !== this.contextMax[row]
    if (isOther || row === this.size - 1) this.#extremes = undefined
    const { clean, completion, hazard, ttft } = candidate.evidence
    const { records } = this
    const at = row * recordsWidth
    records[at + recordCell.soundAtLeast] = completion.lowerBound * clean.lowerBound
    records[at + recordCell.soundAtMost] = completion.upperBound * clean.upperBound
    records[at + recordCell.completionMean] = completion.mean
    records[at + recordCell.samples] = completion.samples
    records[at + recordCell.hazardUpper] = hazard.upper
    records[at + recordCell.hazardLower] = hazard.lower
    records[at + recordCell.timedSamples] = ttft?.samples ?? -1
    records[at + recordCell.repeats] = repeatsOf(completion.mean)
  }

  #putState(row: number, candidate: Candidate): void {
    const { breaker, offer, load, verdict, standing } = candidate
    let barred = 0
    if (offer === null) barred |= bars.unoffered
    if (!candidate.connected) barred |= bars.disconnected
    if (load.draining) barred |= bars.draining
    if (verdict === 'dead') barred |= bars.dead
    if (verdict === 'suspect') barred |= bars.suspect
    if (standing !== undefined) barred |= standing.takes === true ? bars.probation : bars.condemned
    if (candidate.overdue) barred |= bars.overdue
    const tier = offer === null ? null : tierOf(this.policy, offer.name)
    if (tier !== null && !fitsTier(tier, candidate)) barred |= bars.unfit
    if (breaker?.state === 'waiting') barred |= bars.waiting
    else if (breaker !== undefined) barred |= breaker.takes ? bars.probed : bars.broken
    const { samples } = candidate.evidence.completion
    if (samples < this.policy.explorationSamplesMax) barred |= bars.unproven
    const slots = slotsOf(candidate)
    const present = presentOf(candidate)
    if (present >= slots * (1 + this.policy.waitingPerSlotMax)) barred |= bars.full
    this.barred[row] = barred | (allFeatures & ~featureBits(offer?.features ?? []))
    this.contextMax[row] = offer?.contextTokensMax || Number.POSITIVE_INFINITY
    this.memoryBytes[row] = candidate.memoryBytes ?? Number.POSITIVE_INFINITY
    this.slots[row] = slots
    this.promptPrice[row] = offer?.promptPrice ?? 0
    this.completionPrice[row] = offer?.completionPrice ?? 0
    const { times } = this
    const at = row * timesWidth
    times[at + timeCell.turns] = Math.max(0, present + 1 - slots) / slots
    times[at + timeCell.occupancy] = occupancyOf(candidate)
    times[at + timeCell.present] = present
    times[at + timeCell.kvTokensFree] = candidate.kvTokensFree ?? timeCellMax
  }

  #putSpeed(row: number, candidate: Candidate): void {
    const { assumedRoundTripMs, assumedTpotMs, assumedTtftMs, claimSamples } = this.policy
    const { evidence, offer, promptTokensAhead = -1, roundTripMs } = candidate
    const { ttft } = evidence
    const prefillSpeed = offer?.prefillTokensPerSecond ?? 0
    const decodeSpeed = offer?.decodeTokensPerSecond ?? 0
    const statedTpotMs = decodeSpeed > 0 ? 1e3 / decodeSpeed : assumedTpotMs
    const load = Math.min(1, occupancyOf(candidate) / slotsOf(candidate))
    const idleMs = paceAt(evidence, { statedTpotMs, claimSamples, load: 0 })
    const busyMs = load === 0 ? idleMs : paceAt(evidence, { statedTpotMs, claimSamples, load })
    const { times } = this
    const at = row * timesWidth
    const linkMs = roundTripMs ?? assumedRoundTripMs
    const prefillMs = prefillSpeed > 0 ? 1e3 / prefillSpeed : 0
    const assumedMs = prefillMs > 0 ? 0 : assumedTtftMs
    const isAheadKnown = promptTokensAhead >= 0 && prefillMs > 0
    times[at + timeCell.linkMs] = linkMs
    times[at + timeCell.prefillMsPerToken] = prefillMs
    times[at + timeCell.assumedMs] = assumedMs
    times[at + timeCell.tpotMs] = busyMs
    times[at + timeCell.aheadMs] = isAheadKnown ? promptTokensAhead * prefillMs : -1
    // Until a line was fitted.
    const share = ttft === undefined ? 0 : ttft.samples / (ttft.samples + claimSamples)
    times[at + timeCell.ttftShare] = share
    times[at + timeCell.keptMs] = (linkMs + assumedMs) * (1 - share) + (ttft?.meanMs ?? 0) * share
    times[at + timeCell.keptMsPerToken] = prefillMs * (1 - share)
    times[at + timeCell.othersShare] = -1
    this.idleTpotMs[row] = idleMs
    this.#putTimeliness(row * timelinessPerRow, evidence.response)
    this.#putTimeliness(row * timelinessPerRow + furtherTokens, evidence.pace)
  }

  #putTimeliness(at: number, seen: Response | undefined): void {
    const into = this.timeliness
    const total = this.policy.claimSamples + (seen?.samples ?? 0)
    into[at + timelyCell.samples] = seen?.samples ?? -1
    into[at + timelyCell.squares] = seen === undefined ? 0 : seen.deviationMs ** 2 * seen.samples
    into[at + timelyCell.sureAtLeast] = shareAtLeast(1, total)
    into[at + timelyCell.sureAtMost] = shareAtMost(1, total)
  }

  /** By the line that was fitted, and as long as that rests on little, by what is stated. */
  #putResponse(row: number, candidate: Candidate): void {
    const { response } = candidate.evidence
    const { times } = this
    const at = row * timesWidth
    this.overstatedBy[row] = 1
    if (response === undefined) return
    const { samples, meanMs, msPerLoad, msPerPromptToken } = response
    const slots = slotsOf(candidate)
    const load = occupancyOf(candidate) / slots
    const { claimSamples, overstatedFactorMax, overstatedMs, overstatedSamplesMin } = this.policy
    const linkMs = times[at + timeCell.linkMs] as number
    const assumedMs = times[at + timeCell.assumedMs] as number
    const prefillMsPerToken = times[at + timeCell.prefillMsPerToken] as number
    const isAheadKnown = (times[at + timeCell.aheadMs] as number) >= 0
    const ratio = ratioSeen(response, {
      linkMs,
      readMs: response.promptTokens * prefillMsPerToken,
      decodeMs: (times[at + timeCell.tpotMs] as number) * usualCompletionTokens,
      slots,
      isAheadKnown: candidate.promptTokensAhead !== undefined,
    })
    const held = heldRatio(ratio)
    const isLate = (meanMs - linkMs) * (1 - 1 / ratio) > overstatedMs
    const kept = 1 + ((held - 1) * samples) / (samples + claimSamples)
    const share = samples / (samples + curveSamples)
    const tokensAhead = isAheadKnown ? (candidate.promptTokensAhead ?? 0) : 0
    const without = meanMs - msPerPromptToken * response.promptTokens
    const busyMs = without + msPerLoad * (load - response.load) + msPerPromptToken * tokensAhead
    times[at + timeCell.keptMs] = (linkMs + assumedMs * kept) * (1 - share)
    times[at + timeCell.keptMsPerToken] = prefillMsPerToken * kept * (1 - share)
    times[at + timeCell.othersShare] = kept * (1 - share)
    times[at + timeCell.lineIdleMs] = (without - msPerLoad * response.load) * share
    times[at + timeCell.lineBusyMs] = busyMs * share
    times[at + timeCell.lineMsPerToken] = msPerPromptToken * share
    const overstatedBy = isLate && samples >= overstatedSamplesMin ? ratio : 1
    this.overstatedBy[row] = overstatedBy
    const barred = this.barred[row] as number
    if (overstatedBy > overstatedFactorMax) this.barred[row] = barred | bars.overstated
  }

  /** Whatever is stated or told: so no sum of them is none, and a decision need not look. */
  #keepFinite(row: number): void {
    const { times } = this
    const end = (row + 1) * timesWidth
    for (let at = row * timesWidth; at < end; at += 1) {
      const value = times[at] as number
      if (!(value <= timeCellMax)) times[at] = timeCellMax
      else if (value < -timeCellMax) times[at] = -timeCellMax
    }
  }

  #grow(): void {
    const capacity = this.barred.length * 2
    for (const [name, values] of Object.entries(this)) {
      if (values instanceof Float64Array) this[name as FloatColumn] = grown(values)
    }
    const barred = new Uint32Array(capacity)
    barred.set(this.barred)
    this.barred = barred
  }
}

/**
 * Far beyond any time in ms and any number of tokens; and a product of three of them, and as many
 * tokens as anybody can ask for, is a number still.
 */
const timeCellMax = 1e60

type FloatColumn = {
  [K in keyof CandidateTable]: CandidateTable[K] extends Float64Array ? K : never
}[keyof CandidateTable]

export function featureBits(features: readonly (typeof modelFeatures)[number][]): number {
  let bits = 0
  for (const feature of features) bits |= featureBit.get(feature) ?? 0
  return bits
}

function column(perRow = 1): Float64Array<ArrayBuffer> {
  return new Float64Array(firstCapacity * perRow)
}

function grown(values: Float64Array): Float64Array<ArrayBuffer> {
  const more = new Float64Array(values.length * 2)
  more.set(values)
  return more
}

/**
 * One for all decisions on candidates that nobody keeps a table of: a decision runs to its end
 * before another begins, and keeps nothing of it.
 */
let shared: CandidateTable | undefined

export function tableOf(candidates: readonly Candidate[], policy: RoutingPolicy): CandidateTable {
  const table = shared?.policy === policy ? shared : new CandidateTable(policy)
  shared = table
  table.clear()
  for (const candidate of candidates) table.push(candidate)
  return table
}
