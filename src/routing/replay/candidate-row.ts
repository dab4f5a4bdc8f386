/**
 * A candidate as a row of numbers, and back: every value that gates and order read. Texts are kept
 * once, and stand in a row as their numbers.
 *
 * The histograms of its times are kept apart (`view-log.ts`): only requests with an objective read
 * them.
 */
import type {
  BreakerSight,
  DurationEstimate,
  LatencyRecord,
  ProbabilityEstimate,
  RateEstimate,
  Response,
  Standing,
  WorkerEvidence,
} from '../../evidence/index.ts'
import type { LoadReport, OfferedModel, WorkerId } from '../../protocol/index.ts'
import { type Candidate, roundTripSources } from '../candidate.ts'

export const rowLength = 59
/** Those that are set alone. */
export const busyColumns = { running: 4, kvTokensFree: 6, inFlight: 8, ahead: 51 } as const

/** Names a text by a number from 1; 0 is for none. */
export type TextNumbers = (text: string) => number

/** The objects of a candidate that are seldom others, with the numbers of their texts. */
export interface RowObjects {
  offer: OfferedModel | null
  offerText: number
  standing: Standing | undefined
  standingText: number
}

export function noObjects(): RowObjects {
  return { offer: null, offerText: 0, standing: undefined, standingText: 0 }
}

/** What a number stands for where there is none. */
const none = Number.NaN

const verdicts = [undefined, 'suspect', 'dead'] as const
const breakerStates = ['open', 'half-open', 'waiting'] as const
const isConnected = 1
const isOverdue = 2
const isIntegerExact = 4
const isDraining = 8

/** @param objects of the row as it was; brought up to date */
export function writeRow(
  { candidate, objects }: { readonly candidate: Candidate; readonly objects: RowObjects },
  numberOf: TextNumbers,
  row: Float64Array,
): void {
  const { evidence, load, offer, standing } = candidate
  if (offer !== objects.offer) {
    objects.offer = offer
    objects.offerText = offer === null ? 0 : numberOf(JSON.stringify(offer))
  }
  if (standing !== objects.standing) {
    objects.standing = standing
    objects.standingText = standing === undefined ? 0 : numberOf(JSON.stringify(standing))
  }
  row[0] = numberOf(candidate.id)
  row[1] = numberOf(candidate.region)
  row[2] = objects.offerText
  row[3] = objects.standingText
  row[busyColumns.running] = load.running
  row[5] = load.waiting
  row[busyColumns.kvTokensFree] = load.kvTokensFree
  row[7] =
    (candidate.connected ? isConnected : 0) +
    (candidate.overdue ? isOverdue : 0) +
    (candidate.integerExact ? isIntegerExact : 0) +
    (load.draining ? isDraining : 0)
  row[busyColumns.inFlight] = candidate.inFlight
  row[9] = candidate.others ?? none
  row[10] = candidate.kvTokensFree ?? none
  row[11] = candidate.roundTripMs ?? none
  row[12] = roundTripSources.indexOf(candidate.roundTripSource)
  row[13] = verdicts.indexOf(candidate.verdict)
  row[41] = numberOf(candidate.hardwareClass)
  row[42] = candidate.memoryBytes ?? none
  row[58] = candidate.machine === '' ? 0 : numberOf(candidate.machine)
  row[52] = load.promptTokensUnread ?? none
  row[busyColumns.ahead] = candidate.promptTokensAhead ?? none
  const { breaker } = candidate
  row[47] = breaker === undefined ? 0 : 1 + breakerStates.indexOf(breaker.state)
  row[48] = breaker?.takes === true ? 1 : 0
  row[49] = breaker === undefined ? 0 : numberOf(breaker.words)
  row[50] = breaker?.leftMs ?? 0
  writeEvidence(evidence, row)
}

function writeEvidence(evidence: WorkerEvidence, row: Float64Array): void {
  const { clean, completion, hazard, latency, pace, rate, response, tpot, ttft } = evidence
  writeProbability(completion, row, 14)
  writeProbability(clean, row, 18)
  row[22] = hazard.mean
  row[23] = hazard.upper
  row[24] = hazard.lower
  row[25] = hazard.ends
  row[26] = hazard.seenMs
  row[27] = latency?.now ?? none
  row[28] = response?.meanMs ?? none
  row[29] = response?.promptTokens ?? none
  row[30] = response?.load ?? none
  row[31] = response?.msPerPromptToken ?? none
  row[32] = response?.msPerLoad ?? none
  row[33] = response?.deviationMs ?? none
  row[34] = response?.samples ?? none
  writeDuration(ttft, row, 35)
  writeDuration(tpot, row, 38)
  row[43] = rate?.median ?? none
  row[44] = rate?.lower ?? none
  row[45] = rate?.upper ?? none
  row[46] = rate?.samples ?? none
  row[53] = pace?.meanMs ?? none
  row[54] = pace?.load ?? none
  row[55] = pace?.msPerLoad ?? none
  row[56] = pace?.deviationMs ?? none
  row[57] = pace?.samples ?? none
}

function writeProbability(estimate: ProbabilityEstimate, row: Float64Array, at: number): void {
  row[at] = estimate.mean
  row[at + 1] = estimate.lowerBound
  row[at + 2] = estimate.upperBound
  row[at + 3] = estimate.samples
}

function writeDuration(estimate: DurationEstimate | undefined, row: Float64Array, at: number) {
  row[at] = estimate?.meanMs ?? none
  row[at + 1] = estimate?.deviationMs ?? none
  row[at + 2] = estimate?.samples ?? none
}

/** Each member has to be named, whether or not it may be left out: none is forgotten here. */
type Whole<T> = { readonly [K in keyof Required<T>]: T[K] }

/**
 * @param textOf throws where there is no such text
 * @param record the histograms of its times
 */
export function readRow(
  row: Float64Array,
  textOf: (number: number) => string,
  record: LatencyRecord,
): Candidate {
  const at = (column: number) => row[column] ?? 0
  const flags = at(7)
  const offer = at(2) === 0 ? null : (JSON.parse(textOf(at(2))) as OfferedModel)
  const standing = at(3) === 0 ? undefined : (JSON.parse(textOf(at(3))) as Standing)
  const load: Whole<LoadReport> = {
    running: at(busyColumns.running),
    waiting: at(5),
    kvTokensFree: at(busyColumns.kvTokensFree),
    draining: (flags & isDraining) !== 0,
    promptTokensUnread: known(at(52)),
  }
  const candidate: Whole<Candidate> = {
    id: textOf(at(0)) as WorkerId,
    region: textOf(at(1)),
    offer,
    load,
    inFlight: at(busyColumns.inFlight),
    others: known(at(9)),
    kvTokensFree: known(at(10)),
    promptTokensAhead: known(at(busyColumns.ahead)),
    roundTripMs: known(at(11)),
    roundTripSource: roundTripSources[at(12)] ?? 'assumed',
    connected: (flags & isConnected) !== 0,
    overdue: (flags & isOverdue) !== 0,
    verdict: verdicts[at(13)],
    standing,
    integerExact: (flags & isIntegerExact) !== 0,
    hardwareClass: textOf(at(41)),
    machine: at(58) === 0 ? '' : textOf(at(58)),
    memoryBytes: known(at(42)),
    breaker: breakerIn(row, textOf),
    evidence: evidenceIn(row, record),
  }
  return candidate
}

function breakerIn(row: Float64Array, textOf: (number: number) => string) {
  const [state = 0, takes = 0, words = 0, leftMs = 0] = row.subarray(47, 51)
  const known = breakerStates[state - 1]
  if (known === undefined) return undefined
  const sight: Whole<BreakerSight> = {
    state: known,
    takes: takes === 1,
    words: textOf(words),
    leftMs,
  }
  return sight
}

function evidenceIn(row: Float64Array, record: LatencyRecord): WorkerEvidence {
  const at = (column: number) => row[column] ?? 0
  const now = known(at(27))
  const response: Whole<Response> = {
    meanMs: at(28),
    promptTokens: at(29),
    load: at(30),
    msPerPromptToken: at(31),
    msPerLoad: at(32),
    deviationMs: at(33),
    samples: at(34),
  }
  const pace: Whole<Response> = {
    meanMs: at(53),
    promptTokens: 0,
    load: at(54),
    msPerPromptToken: 0,
    msPerLoad: at(55),
    deviationMs: at(56),
    samples: at(57),
  }
  const rate: Whole<RateEstimate> = {
    median: at(43),
    lower: at(44),
    upper: at(45),
    samples: at(46),
  }
  const evidence: Whole<WorkerEvidence> = {
    completion: probabilityIn(row, 14),
    clean: probabilityIn(row, 18),
    hazard: { mean: at(22), upper: at(23), lower: at(24), ends: at(25), seenMs: at(26) },
    latency: now === undefined ? undefined : { record, now },
    response: known(at(34)) === undefined ? undefined : response,
    pace: known(at(57)) === undefined ? undefined : pace,
    ttft: durationIn(row, 35),
    tpot: durationIn(row, 38),
    rate: known(rate.samples) === undefined ? undefined : rate,
  }
  return evidence
}

function probabilityIn(row: Float64Array, at: number): ProbabilityEstimate {
  const [mean = 0, lowerBound = 0, upperBound = 0, samples = 0] = row.subarray(at, at + 4)
  return { mean, lowerBound, upperBound, samples }
}

function durationIn(row: Float64Array, at: number): DurationEstimate | undefined {
  const [meanMs = 0, deviationMs = 0, samples = 0] = row.subarray(at, at + 3)
  return known(samples) === undefined ? undefined : { meanMs, deviationMs, samples }
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value
}
