/**
 * Candidates with what every decision reads of each, a column per value: most of it changes seldom,
 * and is worked out when it does, not for each request. A row says nothing that its candidate does
 * not say; a table that was kept up to date row by row is the same as one that was made at once.
 */
import type { Response, WorkerEvidence } from '../evidence/index.ts'
import { modelFeatures } from '../protocol/index.ts'
import { type Candidate, occupancyOf, presentOf, slotsOf } from './candidate.ts'
import type { RoutingPolicy } from './policy.ts'
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
} as const

/** Of a policy, what rows rest on. */
export type RowPolicy = Pick<
  RoutingPolicy,
  | 'claimSamples'
  | 'overstatedMs'
  | 'overstatedSamplesMin'
  | 'assumedRoundTripMs'
  | 'assumedTtftMs'
  | 'assumedTpotMs'
  | 'tiers'
>

/** Of a network that fits on a desk; larger ones make it grow. */
const firstCapacity = 64
const allFeatures = new Map(modelFeatures.map((feature, bit) => [feature, 1 << bit]))

export class CandidateTable {
  readonly policy: RowPolicy
  readonly candidates: Candidate[] = []
  /** Bits of `bars`. */
  barred = new Uint16Array(firstCapacity)
  /** A bit for each feature, as `featureBits` has them. */
  features = new Uint32Array(firstCapacity)
  /** Infinity: it does not say. */
  contextMax = column()
  /** Infinity: it does not say. */
  memoryBytes = column()
  slots = column()
  /** Requests there, parts of one being a likelihood; and in whole ones. */
  occupancy = column()
  present = column()
  /** Infinity: unknown. */
  kvTokensFree = column()
  /** -1: unknown. */
  tokensAhead = column()
  linkMs = column()
  /** By its own statement; 0: it states none. */
  prefillMsPerToken = column()
  /** ms per further token, were nobody else there, and with those that are there. */
  idleTpotMs = column()
  tpotMs = column()
  /** Answers' times that pass until a slot is free. */
  turns = column()
  ttftMs = column()
  /** How much what was seen weighs against what is stated; 0: nothing was seen. */
  ttftShare = column()
  /** Observations of it; -1: none ever. */
  timedSamples = column()
  /** -1: no response was seen; the others below are void then. */
  responseSamples = column()
  responseDeviationMs = column()
  /** How much the line that was fitted weighs against what is stated. */
  responseShare = column()
  /** The line for a prompt without tokens, with nobody there, and with those that are there. */
  lineIdleMs = column()
  lineBusyMs = column()
  msPerPromptToken = column()
  /** By how much longer it took than stated, as far as that can be relied on. */
  keptShare = column()
  /** The same, as it was seen; 1: too little was. */
  overstatedBy = column()
  /** -1: its pace was not seen. */
  paceSamples = column()
  paceDeviationMs = column()
  /** Of a right answer that comes back, bounds without time; and of a return the mean. */
  soundAtLeast = column()
  soundAtMost = column()
  completionMean = column()
  samples = column()
  /** Ends per ms. */
  hazardUpper = column()
  hazardLower = column()
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
    const { clean, completion, hazard } = candidate.evidence
    this.soundAtLeast[row] = completion.lowerBound * clean.lowerBound
    this.soundAtMost[row] = completion.upperBound * clean.upperBound
    this.completionMean[row] = completion.mean
    this.samples[row] = completion.samples
    this.hazardUpper[row] = hazard.upper
    this.hazardLower[row] = hazard.lower
  }

  #putState(row: number, candidate: Candidate): void {
    const { breaker, offer, load, verdict, standing } = candidate
    let barred = 0
    if (offer === null) barred |= bars.unoffered
    if (!candidate.connected) barred |= bars.disconnected
    if (load.draining) barred |= bars.draining
    if (verdict === 'dead') barred |= bars.dead
    if (verdict === 'suspect') barred |= bars.suspect
    if (standing !== undefined && standing.takes !== true) barred |= bars.condemned
    if (candidate.overdue) barred |= bars.overdue
    const tier = offer === null ? null : tierOf(this.policy, offer.name)
    if (tier !== null && !fitsTier(tier, candidate)) barred |= bars.unfit
    if (breaker?.state === 'waiting') barred |= bars.waiting
    else if (breaker !== undefined) barred |= breaker.takes ? bars.probed : bars.broken
    this.barred[row] = barred
    this.features[row] = featureBits(offer?.features ?? [])
    this.contextMax[row] = offer?.contextTokensMax || Number.POSITIVE_INFINITY
    this.memoryBytes[row] = candidate.memoryBytes ?? Number.POSITIVE_INFINITY
    this.slots[row] = slotsOf(candidate)
    this.occupancy[row] = occupancyOf(candidate)
    this.present[row] = presentOf(candidate)
    this.kvTokensFree[row] = candidate.kvTokensFree ?? Number.POSITIVE_INFINITY
    this.tokensAhead[row] = candidate.promptTokensAhead ?? -1
    this.promptPrice[row] = offer?.promptPrice ?? 0
    this.completionPrice[row] = offer?.completionPrice ?? 0
  }

  #putSpeed(row: number, candidate: Candidate): void {
    const { assumedRoundTripMs, assumedTpotMs, claimSamples } = this.policy
    const { evidence, offer, roundTripMs } = candidate
    const { pace, ttft } = evidence
    const prefillSpeed = offer?.prefillTokensPerSecond ?? 0
    const decodeSpeed = offer?.decodeTokensPerSecond ?? 0
    const statedTpotMs = decodeSpeed > 0 ? 1e3 / decodeSpeed : assumedTpotMs
    const slots = slotsOf(candidate)
    const load = Math.min(1, occupancyOf(candidate) / slots)
    const idleMs = paceAt(evidence, { statedTpotMs, claimSamples, load: 0 })
    this.linkMs[row] = roundTripMs ?? assumedRoundTripMs
    this.prefillMsPerToken[row] = prefillSpeed > 0 ? 1e3 / prefillSpeed : 0
    this.idleTpotMs[row] = idleMs
    this.tpotMs[row] = load === 0 ? idleMs : paceAt(evidence, { statedTpotMs, claimSamples, load })
    this.turns[row] = Math.max(0, presentOf(candidate) + 1 - slots) / slots
    this.ttftMs[row] = ttft?.meanMs ?? 0
    this.ttftShare[row] = ttft === undefined ? 0 : ttft.samples / (ttft.samples + claimSamples)
    this.timedSamples[row] = ttft?.samples ?? -1
    this.paceSamples[row] = pace?.samples ?? -1
    this.paceDeviationMs[row] = pace?.deviationMs ?? 0
  }

  /** By the line that was fitted, and as long as that rests on little, by what is stated. */
  #putResponse(row: number, candidate: Candidate): void {
    const { response } = candidate.evidence
    this.responseSamples[row] = response?.samples ?? -1
    this.overstatedBy[row] = 1
    if (response === undefined) return
    const { samples, meanMs, msPerLoad, msPerPromptToken } = response
    const slots = slotsOf(candidate)
    const load = occupancyOf(candidate) / slots
    const { claimSamples, overstatedMs, overstatedSamplesMin } = this.policy
    const linkMs = this.linkMs[row] as number
    const ratio = ratioSeen(response, {
      linkMs,
      readMs: response.promptTokens * (this.prefillMsPerToken[row] as number),
      decodeMs: (this.tpotMs[row] as number) * usualCompletionTokens,
      slots,
      isAheadKnown: candidate.promptTokensAhead !== undefined,
    })
    const held = Math.min(keptMost, Math.max(keptLeast, ratio))
    const isLate = (meanMs - linkMs) * (1 - 1 / ratio) > overstatedMs
    const without = meanMs - msPerPromptToken * response.promptTokens
    this.keptShare[row] = 1 + ((held - 1) * samples) / (samples + claimSamples)
    if (isLate && samples >= overstatedSamplesMin) this.overstatedBy[row] = ratio
    this.responseDeviationMs[row] = response.deviationMs
    this.responseShare[row] = samples / (samples + curveSamples)
    this.lineIdleMs[row] = without - msPerLoad * response.load
    this.lineBusyMs[row] = without + msPerLoad * (load - response.load)
    this.msPerPromptToken[row] = msPerPromptToken
  }

  #grow(): void {
    const capacity = this.barred.length * 2
    for (const [name, values] of Object.entries(this)) {
      if (values instanceof Float64Array) this[name as FloatColumn] = grown(values, capacity)
    }
    const [barred, features] = [new Uint16Array(capacity), new Uint32Array(capacity)]
    barred.set(this.barred)
    features.set(this.features)
    this.barred = barred
    this.features = features
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
  for (const feature of features) bits |= allFeatures.get(feature) ?? 0
  return bits
}

function column(): Float64Array<ArrayBuffer> {
  return new Float64Array(firstCapacity)
}

function grown(values: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const more = new Float64Array(capacity)
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
