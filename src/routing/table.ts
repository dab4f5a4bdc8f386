/**
 * Candidates with what every decision reads of each, as bare numbers: most of it changes seldom,
 * and is worked out when it does, not for each request. A row says nothing that its candidate does
 * not say; a table that was kept up to date row by row is the same as one that was made at once.
 */
import type { Response, WorkerEvidence } from '../evidence/index.ts'
import { modelFeatures } from '../protocol/index.ts'
import { type Candidate, occupancyOf, presentOf, slotsOf } from './candidate.ts'
import {
  furtherTokens,
  record,
  recordsPerRow,
  time,
  timeliness,
  timelinessPerRow,
  timesPerRow,
} from './layout.ts'
import type { RoutingPolicy } from './policy.ts'
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
} as const
/** Above them a bit for each feature that it lacks, in the order of `modelFeatures`. */
const firstFeatureBit = 16

/** Of a policy, what rows rest on. */
export type RowPolicy = Pick<
  RoutingPolicy,
  | 'claimSamples'
  | 'waitingPerSlotMax'
  | 'overstatedFactorMax'
  | 'overstatedMs'
  | 'overstatedSamplesMin'
  | 'assumedRoundTripMs'
  | 'assumedTtftMs'
  | 'assumedTpotMs'
  | 'tiers'
>

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

  constructor(policy: RowPolicy) {
    this.policy = policy
  }

  get size(): number {
    return this.candidates.length
  }

  push(candidate: Candidate): void {
    if (this.size === this.barred.length) this.#grow()
    this.candidates.push(candidate)
    this.put(this.size - 1, candidate)
  }

  /** Holds on to no candidate any more. */
  clear(): void {
    this.candidates.length = 0
  }

  /** The candidate in this row is another, or has changed. */
  put(row: number, candidate: Candidate): void {
    this.candidates[row] = candidate
    this.#putState(row, candidate)
    this.#putSpeed(row, candidate)
    this.#putResponse(row, candidate)
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
    times[at + timeCell.kvTokensFree] = candidate.kvTokensFree ?? Number.POSITIVE_INFINITY
    times[at + timeCell.tokensAhead] = candidate.promptTokensAhead ?? -1
  }

  #putSpeed(row: number, candidate: Candidate): void {
    const { assumedRoundTripMs, assumedTpotMs, claimSamples } = this.policy
    const { evidence, offer, roundTripMs } = candidate
    const { ttft } = evidence
    const prefillSpeed = offer?.prefillTokensPerSecond ?? 0
    const decodeSpeed = offer?.decodeTokensPerSecond ?? 0
    const statedTpotMs = decodeSpeed > 0 ? 1e3 / decodeSpeed : assumedTpotMs
    const load = Math.min(1, occupancyOf(candidate) / slotsOf(candidate))
    const idleMs = paceAt(evidence, { statedTpotMs, claimSamples, load: 0 })
    const busyMs = load === 0 ? idleMs : paceAt(evidence, { statedTpotMs, claimSamples, load })
    const { times } = this
    const at = row * timesWidth
    times[at + timeCell.linkMs] = roundTripMs ?? assumedRoundTripMs
    times[at + timeCell.prefillMsPerToken] = prefillSpeed > 0 ? 1e3 / prefillSpeed : 0
    times[at + timeCell.tpotMs] = busyMs
    times[at + timeCell.ttftMs] = ttft?.meanMs ?? 0
    times[at + timeCell.ttftShare] =
      ttft === undefined ? 0 : ttft.samples / (ttft.samples + claimSamples)
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
    times[at + timeCell.responseSamples] = response?.samples ?? -1
    this.overstatedBy[row] = 1
    if (response === undefined) return
    const { samples, meanMs, msPerLoad, msPerPromptToken } = response
    const slots = slotsOf(candidate)
    const load = occupancyOf(candidate) / slots
    const { claimSamples, overstatedFactorMax, overstatedMs, overstatedSamplesMin } = this.policy
    const linkMs = times[at + timeCell.linkMs] as number
    const ratio = ratioSeen(response, {
      linkMs,
      readMs: response.promptTokens * (times[at + timeCell.prefillMsPerToken] as number),
      decodeMs: (times[at + timeCell.tpotMs] as number) * usualCompletionTokens,
      slots,
      isAheadKnown: candidate.promptTokensAhead !== undefined,
    })
    const held = Math.min(keptMost, Math.max(keptLeast, ratio))
    const isLate = (meanMs - linkMs) * (1 - 1 / ratio) > overstatedMs
    const without = meanMs - msPerPromptToken * response.promptTokens
    times[at + timeCell.responseShare] = samples / (samples + curveSamples)
    times[at + timeCell.lineIdleMs] = without - msPerLoad * response.load
    times[at + timeCell.lineBusyMs] = without + msPerLoad * (load - response.load)
    times[at + timeCell.msPerPromptToken] = msPerPromptToken
    times[at + timeCell.keptShare] = 1 + ((held - 1) * samples) / (samples + claimSamples)
    const overstatedBy = isLate && samples >= overstatedSamplesMin ? ratio : 1
    this.overstatedBy[row] = overstatedBy
    const barred = this.barred[row] as number
    if (overstatedBy > overstatedFactorMax) this.barred[row] = barred | bars.overstated
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

/** A straight line in two things needs more to go by than a mean. */
const curveSamples = 6
/** What is seen of statements that nobody could keep, or that were far too modest. */
const keptLeast = 0.5
const keptMost = 100
/** A token takes by so much longer in a full batch than alone, where nothing else is known. */
const fullBatchCosts = 1
/** The median answer of public chat traces, for the time that those who were there took. */
const usualCompletionTokens = 256

interface Paced {
  readonly statedTpotMs: number
  readonly claimSamples: number
  /** Requests per slot, at most 1: a full batch grows no larger. */
  readonly load: number
}

/** The time per token: each takes longer, the more are in the batch. */
function paceAt({ pace, tpot }: WorkerEvidence, { statedTpotMs, claimSamples, load }: Paced) {
  if (pace === undefined) {
    const share = tpot === undefined ? 0 : tpot.samples / (tpot.samples + claimSamples)
    return statedTpotMs + ((tpot?.meanMs ?? 0) - statedTpotMs) * share
  }
  const { samples, meanMs, msPerLoad } = pace
  const ratio = meanMs / (statedTpotMs * (1 + fullBatchCosts * pace.load))
  const held = Math.min(keptMost, Math.max(keptLeast, ratio))
  const kept = 1 + ((held - 1) * samples) / (samples + claimSamples)
  const statedMs = statedTpotMs * (1 + fullBatchCosts * load) * kept
  const seenMs = Math.max(0, meanMs + msPerLoad * (load - pace.load))
  return statedMs + ((seenMs - statedMs) * samples) / (samples + curveSamples)
}

interface Stated {
  readonly linkMs: number
  /** Of what was read on the mean. */
  readonly readMs: number
  readonly decodeMs: number
  readonly slots: number
  /** Then what was ahead of those that were seen is in their tokens. */
  readonly isAheadKnown: boolean
}

/** By how much longer than stated it took, of what was seen; 1: it states nothing. */
function ratioSeen({ load, meanMs }: Response, stated: Stated): number {
  const { linkMs, readMs, decodeMs, slots, isAheadKnown } = stated
  if (readMs <= 0) return 1
  const present = load * slots
  const turns = Math.max(0, present + 1 - slots) / slots
  const reading = isAheadKnown ? 0 : present * (readMs / (readMs + decodeMs))
  const othersMs = isAheadKnown ? 0 : turns * readMs
  const wholeMs = readMs + reading * readMs + othersMs + turns * decodeMs
  return Math.max(0, meanMs - linkMs) / wholeMs
}

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
