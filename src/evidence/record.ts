/**
 * What is kept of one worker and model, how an observation adds to it, and what it comes to.
 *
 * Weights fade between the times of what is added; a time before the latest adds what would be
 * left of it by then. So the order does not matter, and neither does who reads when.
 */
import {
  boundProbability,
  type CompletionBounds,
  FadingBounds,
  priorFailures,
  priorSuccesses,
  type Successes,
  successBounds,
} from './bounds.ts'
import {
  addDuration,
  type Duration,
  durationEstimate,
  latencyHalfLifeMs,
  newDuration,
} from './duration.ts'
import type { ProbabilityEstimate, WorkerEvidence } from './evidence.ts'
import { fade } from './fading.ts'
import { LatencyRecord } from './latency-record.ts'
import type { Observation } from './observation.ts'
import { type HazardEstimate, hazardOf, Presence } from './presence.ts'
import { RateRecord } from './rate.ts'
import { ResponseCurve } from './response-curve.ts'
import { uncleanCodes } from './sighting.ts'

/**
 * A home computer's behaviour changes over hours (somebody starts a game); a day-old record is
 * history.
 */
export const completionHalfLifeMs = 60 * 60_000
/** Who breaks the rules is not forgiven within an afternoon. */
export const faultHalfLifeMs = 24 * 60 * 60_000
/** What is older than this weighs less than 10^-14 of a new observation: no need to replay it. */
export const evidenceWindowMs = 48 * completionHalfLifeMs
/** More would change no decision, but would make the record slow to follow a worker that breaks. */
const successesAndFailuresMax = 1_000
/**
 * A bound moves by less than 0.02 % per second of fading, so a computed estimate serves that long,
 * or down to half as long, so that those of many workers are not all made anew for one request.
 */
const estimateAgeMaxMs = 1_000
/**
 * One answer more moves a mean of many by little: what was computed serves until so many of those
 * that it rests on would be new, or one that failed is. At a thousand answers a second nearly all
 * of the price of an estimate is saved, and of noting it (`routing/replay`).
 */
const unreadShareMax = 1 / 64
/** So little of a presence fades in a minute that it counts as fresh: 0.05 %. */
const hazardAgeMaxMs = 60_000

/** What others say, in weights of one's own observations. */
export interface Heard {
  readonly atMs: number
  readonly successes: number
  readonly failures: number
}

export interface Entry {
  atMs: number
  successes: number
  failures: number
  /** undefined: others say nothing. */
  heard: Heard | undefined
  readonly ttft: Duration
  readonly tpot: Duration
  readonly bounds: FadingBounds
  readonly cleanBounds: FadingBounds
  readonly latency: LatencyRecord
  readonly curve: ResponseCurve
  readonly pace: ResponseCurve
  readonly rate: RateRecord
  readonly of: WorkerRecord
  estimate: WorkerEvidence | undefined
  estimateAtMs: number
  /** Observations that are not in the estimate yet. */
  unread: number
  /** Of the worker's record, in the estimate. */
  version: number
  /** 0 to 1, spread over the entries: what is done from time to time is done at different times. */
  readonly phase: number
}

/** What is known of a worker whatever it is asked for. */
export interface WorkerRecord {
  readonly presence: Presence
  faults: number
  faultsAtMs: number
  /** Of all its models alike. */
  hazard: HazardEstimate | undefined
  hazardAtMs: number
  hazardVersion: number
  /** Counts changes: entries hold estimates that rest on this. */
  version: number
  /** For models that it was not seen to serve. */
  readonly unseen: Unseen
}

interface Unseen {
  version: number
  atMs: number
  estimate: WorkerEvidence | undefined
}

export function newWorkerRecord(): WorkerRecord {
  return {
    presence: new Presence(),
    faults: 0,
    faultsAtMs: 0,
    hazard: undefined,
    hazardAtMs: 0,
    hazardVersion: -1,
    version: 0,
    unseen: { version: -1, atMs: 0, estimate: undefined },
  }
}

/** @param at when it was seen, not later than now */
export function addObservation(
  entry: Entry,
  observation: Observation,
  { atMs, now }: { readonly atMs: number; readonly now: number },
): void {
  const { ttftMs, tpotMs, promptTokens, promptTokensAhead = null, load = null } = observation
  comeBack(entry, now)
  addCompletion(entry, atMs, completionOf(observation))
  addDuration(entry.ttft, atMs, ttftMs)
  addDuration(entry.tpot, atMs, tpotMs)
  entry.latency.add({ timing: 'ttft', atMs }, ttftMs, load)
  entry.latency.add({ timing: 'tpot', atMs }, tpotMs, load)
  if (ttftMs !== null && promptTokens !== null && load !== null) {
    const tokens = promptTokens + (promptTokensAhead ?? 0)
    entry.curve.add(ttftMs, { tokens, load }, atMs)
  }
  // A batch that is full grows no larger, whoever waits for it.
  if (tpotMs !== null && load !== null)
    entry.pace.add(tpotMs, { tokens: 0, load: Math.min(1, load) }, atMs)
  // Who writes for as many as it has slots for is to keep its rate; who is sent more, is not.
  if (tpotMs !== null && (load ?? 0) < 1) entry.rate.add(tpotMs, atMs)
  entry.bounds.forget()
  entry.cleanBounds.forget()
  entry.unread += 1
  if (!isOneOfMany(entry, observation)) entry.estimate = undefined
  if (isUnclean(observation)) addFault(entry.of, atMs)
}

/** Whether what was seen since the last estimate would hardly make another one. */
function isOneOfMany(entry: Entry, { outcome, ttftMs, tpotMs }: Observation): boolean {
  if (outcome.kind !== 'completed') return false
  const { failures, successes, tpot, ttft, unread } = entry
  const timed = Math.min(
    ttftMs === null ? successes : ttft.weight,
    tpotMs === null ? successes : tpot.weight,
  )
  return unread <= unreadShareMax * Math.min(successes + failures, timed)
}

export function newEntry(phase: number, of: WorkerRecord): Entry {
  return {
    atMs: 0,
    successes: 0,
    failures: 0,
    heard: undefined,
    ttft: newDuration(),
    tpot: newDuration(),
    bounds: new FadingBounds(),
    cleanBounds: new FadingBounds(),
    latency: new LatencyRecord(latencyHalfLifeMs),
    curve: new ResponseCurve(latencyHalfLifeMs),
    pace: new ResponseCurve(latencyHalfLifeMs),
    rate: new RateRecord(latencyHalfLifeMs),
    of,
    estimate: undefined,
    estimateAtMs: 0,
    unread: 0,
    version: 0,
    phase,
  }
}

/**
 * The clock was set back: what was seen at a time that is now to come counts as seen just now.
 * Otherwise nothing new would weigh anything until that time comes again.
 */
function comeBack(entry: Entry, now: number): void {
  entry.atMs = Math.min(entry.atMs, now)
  if (entry.heard !== undefined && entry.heard.atMs > now) entry.heard = undefined
  entry.ttft.atMs = Math.min(entry.ttft.atMs, now)
  entry.tpot.atMs = Math.min(entry.tpot.atMs, now)
  entry.curve.comeBack(now)
  entry.pace.comeBack(now)
  entry.rate.comeBack(now)
}

/** Only what the worker itself did is held against it. */
function isUnclean({ outcome, blame }: Observation): boolean {
  return blame === 'node' && outcome.kind === 'failed' && uncleanCodes.has(outcome.code)
}

/** @param weight below 0: as much is taken back as is left of it */
export function addFault(record: WorkerRecord, atMs: number, weight = 1): void {
  const fading = fade(record.faultsAtMs, atMs, faultHalfLifeMs)
  const added = weight * fade(atMs, record.faultsAtMs, faultHalfLifeMs)
  record.faults = Math.max(0, record.faults * fading + added)
  record.faultsAtMs = Math.max(record.faultsAtMs, atMs)
  record.version += 1
}

/** true: a success; false: a failure that counts; undefined: says nothing. */
function completionOf(observation: Observation): boolean | undefined {
  if (observation.outcome.kind === 'completed') return true
  if (observation.outcome.kind === 'abandoned') return undefined
  return observation.blame === 'node' || observation.blame === 'network' ? false : undefined
}

function addCompletion(entry: Entry, atMs: number, success: boolean | undefined): void {
  if (success === undefined) return
  const fading = fade(entry.atMs, atMs, completionHalfLifeMs)
  const weight = fade(atMs, entry.atMs, completionHalfLifeMs)
  entry.successes = entry.successes * fading + (success ? weight : 0)
  entry.failures = entry.failures * fading + (success ? 0 : weight)
  entry.atMs = Math.max(entry.atMs, atMs)
  const total = entry.successes + entry.failures
  if (total > successesAndFailuresMax) {
    entry.successes *= successesAndFailuresMax / total
    entry.failures *= successesAndFailuresMax / total
  }
}

export function estimateOf(entry: Entry, now: number): WorkerEvidence {
  const { estimate, phase, of } = entry
  const ageMs = Math.abs(now - entry.estimateAtMs)
  const isFresh = ageMs < estimateAgeMaxMs * (1 - phase / 2) && entry.version === of.version
  if (estimate !== undefined && isFresh) return estimate
  if (entry.version !== of.version) entry.cleanBounds.forget()
  entry.version = of.version
  const fresh: WorkerEvidence = {
    completion: probabilityEstimate(entry, now),
    clean: of.faults === 0 ? faultless(entry, now) : cleanEstimate(entry, now),
    hazard: hazardNow(of, now),
    latency: { record: entry.latency, now },
    response: entry.curve.response(now),
    pace: entry.pace.response(now),
    ttft: durationEstimate(entry.ttft, now),
    tpot: durationEstimate(entry.tpot, now),
    rate: entry.rate.estimate(now),
  }
  entry.estimate = fresh
  entry.estimateAtMs = now
  entry.unread = 0
  return fresh
}

/** Others' word replaces what they said before. */
export function hear(entry: Entry, heard: Heard): void {
  entry.heard = heard
  entry.bounds.forget()
  entry.cleanBounds.forget()
  entry.estimate = undefined
}

/** What this gateway has seen itself by then: what it tells others. */
export function ownCounts(entry: Entry, now: number): Successes {
  const left = fade(entry.atMs, now, completionHalfLifeMs)
  return { successes: entry.successes * left, failures: entry.failures * left }
}

/** What counts of what others said: as much of either as this gateway has seen itself. */
export function heardNow(entry: Entry, atMs: number): Successes | undefined {
  if (entry.heard === undefined) return undefined
  return heardBeside(entry.heard, ownCounts(entry, atMs), atMs)
}

function heardBeside(heard: Heard, own: Successes, atMs: number): Successes {
  const left = fade(heard.atMs, atMs, completionHalfLifeMs)
  return {
    successes: Math.min(heard.successes * left, own.successes),
    failures: Math.min(heard.failures * left, own.failures),
  }
}

/** With what counts of others' word. */
function countsAt(entry: Entry, atMs: number): Successes {
  const own = ownCounts(entry, atMs)
  if (entry.heard === undefined) return own
  const heard = heardBeside(entry.heard, own, atMs)
  return {
    successes: own.successes + heard.successes,
    failures: own.failures + heard.failures,
  }
}

function probabilityEstimate(entry: Entry, now: number): ProbabilityEstimate {
  const latestMs = Math.max(entry.atMs, entry.heard?.atMs ?? 0)
  const bounds = entry.bounds.at(now - latestMs, (ageMs) => countsAt(entry, latestMs + ageMs))
  const { failures, successes } = countsAt(entry, now)
  const estimate = completionEstimate(successes, failures, bounds)
  return entry.heard === undefined ? estimate : { ...estimate, samples: ownSamples(entry, now) }
}

/** Whether a worker is a newcomer is for one's own eyes to say. */
function ownSamples(entry: Entry, now: number): number {
  const { failures, successes } = ownCounts(entry, now)
  return successes + failures
}

/** Of Beta(a, 1), as almost all are: what `betaQuantile` would give. */
function faultless(entry: Entry, now: number): ProbabilityEstimate {
  const samples = entry.successes * fade(entry.atMs, now, completionHalfLifeMs)
  const { heard } = entry
  const said =
    heard === undefined ? 0 : heard.successes * fade(heard.atMs, now, completionHalfLifeMs)
  const successes = priorSuccesses + samples + Math.min(said, samples)
  return {
    mean: successes / (successes + priorFailures),
    lowerBound: Math.exp(logOfBound / successes),
    upperBound: Math.exp(logOfComplement / successes),
    samples,
  }
}

const logOfBound = Math.log(boundProbability)
const logOfComplement = Math.log(1 - boundProbability)

/** Answers that were right, against faults; the two fade at different rates. */
function cleanEstimate(entry: Entry, now: number): ProbabilityEstimate {
  const { of } = entry
  const latestMs = Math.max(entry.atMs, of.faultsAtMs, entry.heard?.atMs ?? 0)
  const recordAt = (ageMs: number) => ({
    successes: countsAt(entry, latestMs + ageMs).successes,
    failures: of.faults * fade(of.faultsAtMs, latestMs + ageMs, faultHalfLifeMs),
  })
  const { successes, failures } = recordAt(Math.max(0, now - latestMs))
  const bounds = entry.cleanBounds.at(now - latestMs, recordAt)
  return completionEstimate(successes, failures, bounds)
}

function hazardNow(record: WorkerRecord, now: number): HazardEstimate {
  const { hazardAtMs, hazardVersion, version } = record
  const isFresh = hazardVersion === version && Math.abs(now - hazardAtMs) < hazardAgeMaxMs
  if (record.hazard !== undefined && isFresh) return record.hazard
  record.hazard = record.presence.hazard(now)
  record.hazardAtMs = now
  record.hazardVersion = version
  return record.hazard
}

/** Of a worker that was seen, though not at this. */
export function unseenEstimate(record: WorkerRecord, now: number): WorkerEvidence {
  const { unseen, version } = record
  const isFresh = unseen.version === version && Math.abs(now - unseen.atMs) < estimateAgeMaxMs
  if (unseen.estimate !== undefined && isFresh) return unseen.estimate
  const failures = record.faults * fade(record.faultsAtMs, now, faultHalfLifeMs)
  const bounds = successBounds({ successes: 0, failures })
  unseen.estimate = {
    ...newcomer,
    clean: completionEstimate(0, failures, bounds),
    hazard: hazardNow(record, now),
  }
  unseen.version = version
  unseen.atMs = now
  return unseen.estimate
}

function completionEstimate(
  successes: number,
  failures: number,
  { lower, upper }: CompletionBounds,
): ProbabilityEstimate {
  const samples = successes + failures
  const mean = (priorSuccesses + successes) / (priorSuccesses + priorFailures + samples)
  return { mean, lowerBound: lower, upperBound: upper, samples }
}

const unproven: ProbabilityEstimate = Object.freeze(
  completionEstimate(0, 0, successBounds({ successes: 0, failures: 0 })),
)

/** What is known of a worker that nobody has seen at work. */
export const newcomer: WorkerEvidence = Object.freeze({
  completion: unproven,
  clean: unproven,
  hazard: Object.freeze(hazardOf(0, 0)),
  latency: undefined,
  response: undefined,
  pace: undefined,
  ttft: undefined,
  tpot: undefined,
  rate: undefined,
})
