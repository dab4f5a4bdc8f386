/**
 * How long a candidate would take for a request: link, queue, prefill, decode.
 *
 * From work seen wherever there is some; a worker's own statement of its speed counts like a few
 * observations and so is soon outweighed; without either, a pessimistic assumption.
 */
import type { DurationEstimate } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import { defaultPolicy, type RoutingPolicy } from './policy.ts'
import type { Continuation, RouteRequest } from './request.ts'
import { CandidateTable } from './table.ts'
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
  /** Who is far slower than it states is left out, as long as there are others. */
  readonly avoidsOverstated: boolean
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
  /** ms per further token, were nobody else there. */
  idleTpotMs: number
  tpotMs: number
  totalMs: number
  /** By how much longer first tokens took than it states; 1: too little was seen. */
  overstatedBy: number
}

export function emptyPrediction(): Prediction {
  return {
    of: undefined,
    idleTtftMs: 0,
    queueMs: 0,
    ttftMs: 0,
    idleTpotMs: 0,
    tpotMs: 0,
    totalMs: 0,
    overstatedBy: 1,
  }
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
  if (single.policy !== policy) single = new CandidateTable(policy)
  single.clear()
  single.push(candidate)
  const prediction = predictRow(single, 0, demand)
  single.clear()
  return prediction
}

/** For candidates that are asked about one by one. */
let single = new CandidateTable(defaultPolicy)

/** The same for the candidate in a row. */
export function predictRow(table: CandidateTable, row: number, demand: Demand): Prediction {
  const { policy, prediction: into, request, completionTokens } = demand
  into.of = table.candidates[row]
  const { promptTokens } = request
  const linkMs = table.linkMs[row] as number
  const perTokenMs = table.prefillMsPerToken[row] as number
  // The link and its own prefill speed bound how fast a worker can be, whatever shorter prompts
  // took.
  const leastMs = linkMs + promptTokens * perTokenMs
  const statedMs = perTokenMs > 0 ? leastMs : linkMs + policy.assumedTtftMs
  const share = (table.occupancy[row] as number) / (table.slots[row] as number)
  const tpotMs = paceAt(table, row, { load: Math.min(1, share), policy })
  const decodeMs = tpotMs * (completionTokens - 1)
  const turns = turnsBefore(table, row, promptTokens + completionTokens)
  into.overstatedBy = 1
  into.tpotMs = tpotMs
  into.idleTpotMs = share === 0 ? tpotMs : paceAt(table, row, { load: 0, policy })
  if ((table.responseSamples[row] as number) >= 0) {
    respondTo(table, row, demand)
  } else {
    const weight = table.ttftShare[row] as number
    const seenMs = statedMs + ((table.ttftMs[row] as number) - statedMs) * weight
    const idleMs = Math.max(seenMs, leastMs)
    const prefillMs = idleMs - linkMs
    const ahead = table.tokensAhead[row] as number
    into.idleTtftMs = idleMs
    // Whoever is ahead in the queue is taken to ask for as much as this request.
    into.ttftMs = idleMs + turns * (prefillMs + decodeMs)
    if (ahead >= 0 && perTokenMs > 0) into.ttftMs = idleMs + ahead * perTokenMs + turns * decodeMs
    else if (request.objective.ttftMs !== null && weight === 0) {
      // Nor is a newcomer's first token soon while it reads the prompts of others.
      const reading = prefillMs * (prefillMs / Math.max(1, prefillMs + decodeMs))
      into.ttftMs += (table.occupancy[row] as number) * reading
    }
  }
  const { idleTtftMs, ttftMs } = into
  into.idleTtftMs = bounded(idleTtftMs)
  into.queueMs = turns === 0 ? 0 : bounded(ttftMs - idleTtftMs)
  into.ttftMs = bounded(ttftMs)
  into.tpotMs = bounded(tpotMs)
  into.totalMs = bounded(ttftMs + decodeMs)
  return into
}

/** A straight line in two things needs more to go by than a mean. */
const curveSamples = 6
/** What is seen of statements that nobody could keep, or that were far too modest. */
const keptLeast = 0.5
const keptMost = 100

/**
 * The time per token at a load: each takes longer, the more are in the batch. As for first tokens,
 * by what was seen as far as that was enough, and else by what is stated, times how much longer it
 * took so far.
 */
function paceAt(
  table: CandidateTable,
  row: number,
  { load, policy }: { readonly load: number; readonly policy: RoutingPolicy },
): number {
  const samples = table.paceSamples[row] as number
  if (samples < 0) return table.tpotMs[row] as number
  const stated = table.statedTpotMs[row] as number
  const meanMs = table.paceMs[row] as number
  const meanLoad = table.paceLoad[row] as number
  const ratio = meanMs / (stated * (1 + fullBatchCosts * meanLoad))
  const held = Math.min(keptMost, Math.max(keptLeast, ratio))
  const kept = 1 + ((held - 1) * samples) / (samples + policy.claimSamples)
  const statedMs = stated * (1 + fullBatchCosts * load) * kept
  const seenMs = Math.max(0, meanMs + (table.paceMsPerLoad[row] as number) * (load - meanLoad))
  return statedMs + ((seenMs - statedMs) * samples) / (samples + curveSamples)
}

/** A token takes by so much longer in a full batch than alone, where nothing else is known. */
const fullBatchCosts = 1

/**
 * By the line that was fitted to what was seen; and as long as that was little, by what is stated,
 * times how much longer it took so far.
 */
function respondTo(table: CandidateTable, row: number, demand: Demand): void {
  const { policy, prediction: into, completionTokens } = demand
  const { promptTokens } = demand.request
  const linkMs = table.linkMs[row] as number
  const readMs = promptTokens * (table.prefillMsPerToken[row] as number)
  const prefillMs = readMs > 0 ? readMs : policy.assumedTtftMs
  const slots = table.slots[row] as number
  const present = table.occupancy[row] as number
  const samples = table.responseSamples[row] as number
  const meanMs = table.responseMs[row] as number
  const meanTokens = table.responseTokens[row] as number
  const meanLoad = table.responseLoad[row] as number
  const ahead = table.tokensAhead[row] as number
  const perTokenMs = prefillMs / Math.max(1, promptTokens)
  const othersMs = meanTokens * perTokenMs
  // What was ahead of those that were seen is in their tokens, where it was known.
  around.othersMs = othersMs
  around.decodeMs = into.tpotMs * (completionTokens - 1)
  around.slots = slots
  around.isKnown = ahead >= 0
  const wholeMs = othersMs + aheadMs(meanLoad * slots, 0)
  const ratio = wholeMs <= 0 ? 1 : Math.max(0, meanMs - linkMs) / wholeMs
  const lateMs = (meanMs - linkMs) * (1 - 1 / ratio)
  if (lateMs > policy.overstatedMs && samples >= policy.overstatedSamplesMin) {
    into.overstatedBy = ratio
  }
  const bounded = Math.min(keptMost, Math.max(keptLeast, ratio))
  const kept = 1 + ((bounded - 1) * samples) / (samples + policy.claimSamples)
  const share = samples / (samples + curveSamples)
  const idleMs = linkMs + prefillMs * kept
  const busyMs = linkMs + (prefillMs + aheadMs(present, ahead * perTokenMs)) * kept
  const byToken = table.msPerPromptToken[row] as number
  const byLoad = table.msPerLoad[row] as number
  const line = meanMs + byToken * (promptTokens - meanTokens) - byLoad * meanLoad
  const seenIdleMs = Math.max(0, line)
  const seenBusyMs = Math.max(0, line + byToken * Math.max(0, ahead) + (byLoad * present) / slots)
  into.idleTtftMs = Math.max(linkMs + readMs, idleMs + (seenIdleMs - idleMs) * share)
  into.ttftMs = Math.max(into.idleTtftMs, busyMs + (seenBusyMs - busyMs) * share)
}

/** Of the row that is looked at: one for all, since an object for each would be to be collected. */
const around = {
  /** The stated time of a prompt of the mean length, and of an answer. */
  othersMs: 0,
  decodeMs: 0,
  slots: 1,
  /** How many tokens are ahead is known. */
  isKnown: false,
}

/**
 * What those who are there cost a request, by what the worker states: their prompts that are not
 * read yet, where these are known; else who has a slot has its prompt read for as much of its time
 * as that takes of it. Who has no slot yet waits for a turn. They are taken to ask for what was
 * seen on the mean.
 */
function aheadMs(present: number, unreadMs: number): number {
  const { othersMs, decodeMs, slots, isKnown } = around
  const turns = Math.max(0, present + 1 - slots) / slots
  if (isKnown) return unreadMs + turns * decodeMs
  const reading = othersMs <= 0 ? 0 : othersMs / (othersMs + decodeMs)
  return present * reading * othersMs + turns * (othersMs + decodeMs)
}

/**
 * How many answers' times pass until a request can begin: for a slot, of those that work at a time,
 * or for room in the cache, which the first of those present leaves.
 */
function turnsBefore(table: CandidateTable, row: number, tokens: number): number {
  const present = table.present[row] as number
  const slots = table.slots[row] as number
  const ahead = present + 1 - slots
  if (ahead > 0) return ahead / slots
  if (present <= 0 || (table.kvTokensFree[row] as number) >= tokens) return 0
  return 1 / present
}

/** An answer in a week is no answer, whatever a worker states of itself. */
const predictedMsMax = 7 * 24 * 60 * 60_000

function bounded(ms: number): number {
  return ms >= 0 ? Math.min(ms, predictedMsMax) : predictedMsMax
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
