/**
 * How long a candidate would take for a request: link, queue, prefill, decode.
 *
 * From work seen wherever there is some; a worker's own statement of its speed counts like a few
 * observations and so is soon outweighed; without either, a pessimistic assumption.
 */
import { type DurationEstimate, type Response, respond } from '../evidence/index.ts'
import { type Candidate, occupancyOf, presentOf, slotsOf } from './candidate.ts'
import type { RoutingPolicy } from './policy.ts'
import type { Continuation, RouteRequest } from './request.ts'
import type { Tier } from './tier.ts'

/** What every candidate is asked alike, computed once per decision. */
export interface Demand {
  readonly request: RouteRequest
  readonly policy: RoutingPolicy
  /** Of the request’s model; null: the policy has it in none. */
  readonly tier: Tier | null
  readonly excluded: ReadonlySet<string>
  readonly tried: ReadonlySet<string>
  /** null: a new answer. */
  readonly continuation: Continuation | null
  /** Whoever may have halted is left out, as long as there are others. */
  readonly avoidsOverdue: boolean
  /** The mesh holds one of the candidates for dead. */
  readonly hasDead: boolean
  /** Something serious stands against one of the candidates. */
  readonly hasBarred: boolean
  /** Whose circuit breaker takes nothing is left out, as long as there are others. */
  readonly avoidsBroken: boolean
  /** One of the candidates asked to be left alone. */
  readonly hasWaiting: boolean
  /** Whoever cannot meet the objective is no worse than nobody. */
  readonly takesLate: boolean
  /** Whom the mesh suspects is left out, as long as there are others. */
  readonly avoidsSuspects: boolean
  /** Whose work mostly fails is left out: those whose work does not have too much to do. */
  readonly avoidsUnsound: boolean
  /** Tokens that the answer is expected to have. */
  readonly completionTokens: number
  /** The last prediction, which the gates and the order share. */
  readonly prediction: Prediction
}

/** Filled in place: a decision predicts for thousands of candidates, one after the other. */
export interface Prediction {
  of: Candidate | undefined
  /** ms until the first token, were nobody waiting. */
  idleTtftMs: number
  queueMs: number
  /** ms until the first token, all included. */
  ttftMs: number
  tpotMs: number
  totalMs: number
}

export function emptyPrediction(): Prediction {
  return { of: undefined, idleTtftMs: 0, queueMs: 0, ttftMs: 0, tpotMs: 0, totalMs: 0 }
}

/** Embeddings have no decode phase. */
export function expectedCompletionTokens(request: RouteRequest, policy: RoutingPolicy): number {
  if (request.features.includes('embedding')) return 1
  const assumed = policy.assumedCompletionTokens
  return Math.max(1, Math.min(request.maxTokens ?? assumed, assumed))
}

/** The same object for every candidate of a decision: to be read before the next call. */
export function predict(candidate: Candidate, demand: Demand): Readonly<Prediction> {
  const { policy, prediction: into } = demand
  if (into.of === candidate) return into
  into.of = candidate
  const { evidence, offer } = candidate
  const linkMs = candidate.roundTripMs ?? policy.assumedRoundTripMs
  const prefillSpeed = offer?.prefillTokensPerSecond ?? 0
  const decodeSpeed = offer?.decodeTokensPerSecond ?? 0
  const { promptTokens } = demand.request
  // The link and its own prefill speed bound how fast a worker can be, whatever shorter prompts
  // took.
  const leastMs = prefillSpeed > 0 ? linkMs + (promptTokens * 1e3) / prefillSpeed : linkMs
  const claimedTtftMs = prefillSpeed > 0 ? leastMs : linkMs + policy.assumedTtftMs
  const claimedTpotMs = decodeSpeed > 0 ? 1e3 / decodeSpeed : policy.assumedTpotMs
  const tpotMs = blend(evidence.tpot, claimedTpotMs, policy.claimSamples)
  const decodeMs = tpotMs * (demand.completionTokens - 1)
  const turns = turnsBefore(candidate, demand)
  let idleTtftMs: number
  let ttftMs: number
  if (evidence.response === undefined) {
    idleTtftMs = Math.max(leastMs, blend(evidence.ttft, claimedTtftMs, policy.claimSamples))
    // Whoever is ahead in the queue is taken to ask for as much as this request.
    ttftMs = idleTtftMs + turns * (idleTtftMs - linkMs + decodeMs)
    if (demand.request.objective.ttftMs !== null && evidence.ttft === undefined) {
      // Nor is a newcomer's first token soon while it reads the prompts of others.
      const prefillMs = idleTtftMs - linkMs
      ttftMs += occupancyOf(candidate) * prefillMs * (prefillMs / Math.max(1, prefillMs + decodeMs))
    }
  } else {
    const { response } = evidence
    const slots = slotsOf(candidate)
    const present = occupancyOf(candidate)
    const prefillMs = claimedTtftMs - linkMs
    const stated = { linkMs, prefillMs, decodeMs, promptTokens, slots }
    const kept = keptShare(response, stated, policy)
    const share = response.samples / (response.samples + curveSamples)
    const seen = (load: number) => respond(response, promptTokens, load)
    const idleMs = linkMs + prefillMs * kept
    const busyMs = linkMs + (prefillMs + aheadMs(stated, response, present)) * kept
    idleTtftMs = Math.max(leastMs, idleMs + (seen(0) - idleMs) * share)
    ttftMs = Math.max(idleTtftMs, busyMs + (seen(present / slots) - busyMs) * share)
  }
  into.idleTtftMs = bounded(idleTtftMs)
  into.queueMs = turns === 0 ? 0 : bounded(ttftMs - idleTtftMs)
  into.ttftMs = bounded(ttftMs)
  into.tpotMs = bounded(tpotMs)
  into.totalMs = bounded(ttftMs + decodeMs)
  return into
}

/**
 * How many answers' times pass until this request can begin: for a slot, of those that work at a
 * time, or for room in the cache, which the first of those present leaves.
 */
function turnsBefore(candidate: Candidate, { request, completionTokens }: Demand): number {
  const present = presentOf(candidate)
  const slots = slotsOf(candidate)
  const ahead = present + 1 - slots
  if (ahead > 0 || present <= 0) return Math.max(0, ahead) / slots
  const { kvTokensFree } = candidate
  const hasRoom =
    kvTokensFree === undefined || kvTokensFree >= request.promptTokens + completionTokens
  return hasRoom ? 0 : 1 / present
}

/** An answer in a week is no answer, whatever a worker states of itself. */
const predictedMsMax = 7 * 24 * 60 * 60_000

function bounded(ms: number): number {
  return ms >= 0 ? Math.min(ms, predictedMsMax) : predictedMsMax
}

function blend(observed: DurationEstimate | undefined, claimedMs: number, samples: number): number {
  if (observed === undefined) return claimedMs
  const weight = observed.samples / (observed.samples + samples)
  return claimedMs + (observed.meanMs - claimedMs) * weight
}

/** A straight line in two things needs more to go by than a mean. */
const curveSamples = 6
/** What is seen of statements that nobody could keep, or that were far too modest. */
const keptLeast = 0.5
const keptMost = 100

interface Stated {
  readonly linkMs: number
  /** For this request. */
  readonly prefillMs: number
  readonly decodeMs: number
  readonly promptTokens: number
  readonly slots: number
}

/**
 * What those who are there cost this request, by what the worker states: who has a slot has its
 * prompt read for as much of its time as that takes of it; who has none yet waits for a turn. They
 * are taken to ask for what was seen on the mean.
 */
function aheadMs(stated: Stated, response: Response, present: number): number {
  const { prefillMs, decodeMs, promptTokens, slots } = stated
  const othersMs = (prefillMs * response.promptTokens) / Math.max(1, promptTokens)
  const reading = othersMs <= 0 ? 0 : othersMs / (othersMs + decodeMs)
  const turns = Math.max(0, present + 1 - slots) / slots
  return present * reading * othersMs + turns * (othersMs + decodeMs)
}

/** By how much longer than stated it took, of what was seen. */
function keptShare(response: Response, stated: Stated, { claimSamples }: RoutingPolicy): number {
  const prefillMs = (stated.prefillMs * response.promptTokens) / Math.max(1, stated.promptTokens)
  const present = response.load * stated.slots
  const wholeMs = prefillMs + aheadMs(stated, response, present)
  if (wholeMs <= 0) return 1
  const ratio = Math.max(0, response.meanMs - stated.linkMs) / wholeMs
  const bounded = Math.min(keptMost, Math.max(keptLeast, ratio))
  return 1 + ((bounded - 1) * response.samples) / (response.samples + claimSamples)
}

/** Of the normal distribution, in deviations. */
export const percentile95 = 1.645
/** Unseen workers are taken to vary by half of their mean. */
const unseenVariation = 0.5

/** How far single times lie from the predicted one. */
export function spread(
  observed: Pick<DurationEstimate, 'deviationMs' | 'samples'> | undefined,
  meanMs: number,
  samples: number,
): number {
  const unseen = (unseenVariation * meanMs) ** 2
  if (observed === undefined) return Math.sqrt(unseen)
  const seen = observed.deviationMs ** 2
  return Math.sqrt((seen * observed.samples + unseen * samples) / (observed.samples + samples))
}

/**
 * P(X ≤ limit), X normal: the logistic approximation, off by at most 0.01 (Bowling et al., 2009).
 */
export function within(limitMs: number, meanMs: number, deviationMs: number): number {
  const z = (limitMs - meanMs) / Math.max(deviationMs, 1e-9)
  // Beyond eight deviations the exponential would only cost time.
  if (z > 8) return 1
  return 1 / (1 + Math.exp(-1.702 * z))
}
