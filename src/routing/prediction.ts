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
  const ahead = table.tokensAhead[row] as number
  // The link and its own prefill speed bound how fast a worker can be, whatever shorter prompts
  // took.
  const leastMs = linkMs + promptTokens * perTokenMs
  const statedMs = perTokenMs > 0 ? leastMs : linkMs + policy.assumedTtftMs
  const tpotMs = table.tpotMs[row] as number
  const decodeMs = tpotMs * (completionTokens - 1)
  const turns = turnsBefore(table, row, promptTokens + completionTokens)
  const isKnown = ahead >= 0 && perTokenMs > 0
  let idleMs: number
  let ttftMs: number
  if ((table.responseSamples[row] as number) >= 0) {
    const kept = table.keptShare[row] as number
    const share = table.responseShare[row] as number
    const byTokens = table.msPerPromptToken[row] as number
    const prefillMs = statedMs - linkMs
    const aheadMs = isKnown
      ? ahead * perTokenMs + turns * decodeMs
      : aheadOf(table, row, { prefillMs, decodeMs, turns })
    const keptIdleMs = linkMs + prefillMs * kept
    const keptBusyMs = keptIdleMs + aheadMs * kept
    const lineIdleMs = (table.lineIdleMs[row] as number) + byTokens * promptTokens
    const lineMs =
      (table.lineBusyMs[row] as number) + byTokens * (isKnown ? promptTokens + ahead : promptTokens)
    idleMs = keptIdleMs + (Math.max(0, lineIdleMs) - keptIdleMs) * share
    if (idleMs < leastMs) idleMs = leastMs
    ttftMs = keptBusyMs + (Math.max(0, lineMs) - keptBusyMs) * share
    if (ttftMs < idleMs) ttftMs = idleMs
  } else {
    const weight = table.ttftShare[row] as number
    idleMs = statedMs + ((table.ttftMs[row] as number) - statedMs) * weight
    if (idleMs < leastMs) idleMs = leastMs
    const prefillMs = idleMs - linkMs
    if (isKnown) ttftMs = idleMs + ahead * perTokenMs + turns * decodeMs
    else {
      // Whoever is ahead in the queue is taken to ask for as much as this request.
      ttftMs = idleMs + turns * (prefillMs + decodeMs)
      if (request.objective.ttftMs !== null && weight === 0) {
        // Nor is a newcomer's first token soon while it reads the prompts of others.
        const reading = prefillMs * (prefillMs / Math.max(1, prefillMs + decodeMs))
        ttftMs += (table.occupancy[row] as number) * reading
      }
    }
  }
  into.overstatedBy = table.overstatedBy[row] as number
  into.idleTpotMs = table.idleTpotMs[row] as number
  into.idleTtftMs = bounded(idleMs)
  into.queueMs = turns === 0 ? 0 : bounded(ttftMs - idleMs)
  into.ttftMs = bounded(ttftMs)
  into.tpotMs = bounded(tpotMs)
  into.totalMs = bounded(ttftMs + decodeMs)
  return into
}

interface Waited {
  readonly prefillMs: number
  readonly decodeMs: number
  readonly turns: number
}

/**
 * What those who are there cost a request, where nobody says what they have to read: who has a slot
 * has its prompt read for as much of its time as that takes of it, who has none yet waits for a
 * turn. They are taken to ask for as much as this one.
 */
function aheadOf(
  table: CandidateTable,
  row: number,
  { prefillMs, decodeMs, turns }: Waited,
): number {
  const reading = prefillMs <= 0 ? 0 : prefillMs / (prefillMs + decodeMs)
  return (table.occupancy[row] as number) * reading * prefillMs + turns * (prefillMs + decodeMs)
}

/**
 * How many answers' times pass until a request can begin: for a slot, of those that work at a time,
 * or for room in the cache, which the first of those present leaves.
 */
function turnsBefore(table: CandidateTable, row: number, tokens: number): number {
  const turns = table.turns[row] as number
  if (turns > 0 || (table.kvTokensFree[row] as number) >= tokens) return turns
  const present = table.present[row] as number
  return present <= 0 ? 0 : 1 / present
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
