/**
 * How long a candidate would take for a request: link, queue, prefill, decode.
 *
 * From work seen wherever there is some; a worker's own statement of its speed counts like a few
 * observations and so is soon outweighed; without either, a pessimistic assumption.
 */
import type { DurationEstimate } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import { outlook, outlooksPerRow, time, timesPerRow } from './layout.ts'
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
  /** The last that a gate asked for, which the gates share. */
  readonly prediction: Prediction
}

/** Filled in place, for one candidate after the other. */
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

// Constants of this file, for the loop (`layout.ts`).
const of = time
const width = timesPerRow
const to = outlook
const widthOut = outlooksPerRow

/** Rows of a table, with what is worked out of each. */
export interface Outlooks {
  /** Of the table. */
  readonly rows: Uint32Array
  size: number
  readonly outlooks: Float64Array
}

export function newOutlooks(capacity: number): Outlooks {
  const outlooks = new Float64Array(capacity * outlooksPerRow)
  return { rows: new Uint32Array(capacity), size: 0, outlooks }
}

/** The same object for every candidate of a decision: to be read before the next call. */
export function predict(candidate: Candidate, demand: Demand): Readonly<Prediction> {
  const { policy, prediction } = demand
  if (prediction.of === candidate) return prediction
  if (single.policy !== policy) single = new CandidateTable(policy)
  single.push(candidate)
  predictRow(single, 0, demand)
  single.clear()
  return prediction
}

/** Of one in a table, so that whoever asks for it next has it. */
export function predictRow(table: CandidateTable, row: number, demand: Demand): void {
  const { prediction: into } = demand
  if (into.of === table.candidates[row]) return
  alone.rows[0] = row
  predictRows(alone, table, demand)
  into.of = table.candidates[row]
  into.idleTtftMs = alone.outlooks[to.idleTtftMs] as number
  into.queueMs = alone.outlooks[to.queueMs] as number
  into.ttftMs = alone.outlooks[to.ttftMs] as number
  into.totalMs = alone.outlooks[to.totalMs] as number
  into.idleTpotMs = table.idleTpotMs[row] as number
  into.tpotMs = bounded(table.times[row * width + of.tpotMs] as number)
  into.overstatedBy = table.overstatedBy[row] as number
}

/** For candidates that are asked about one by one. */
let single = new CandidateTable(defaultPolicy)
const alone = newOutlooks(1)
alone.size = 1

/** Of each row that is there. One loop over bare numbers: a decision predicts for thousands. */
export function predictRows(into: Outlooks, { times }: CandidateTable, demand: Demand): void {
  const { size, rows, outlooks } = into
  const { request, completionTokens } = demand
  const { promptTokens } = request
  const { assumedTtftMs } = demand.policy
  const isSoonAsked = request.objective.ttftMs !== null
  for (let i = 0; i < size; i += 1) {
    const at = (rows[i] as number) * width
    const linkMs = times[at + of.linkMs] as number
    const perTokenMs = times[at + of.prefillMsPerToken] as number
    const ahead = times[at + of.tokensAhead] as number
    // The link and its own prefill speed bound how fast a worker can be, whatever shorter prompts
    // took.
    const leastMs = linkMs + promptTokens * perTokenMs
    const statedMs = perTokenMs > 0 ? leastMs : linkMs + assumedTtftMs
    const decodeMs = (times[at + of.tpotMs] as number) * (completionTokens - 1)
    const turns = turnsBefore(times, at, promptTokens + completionTokens)
    const isKnown = ahead >= 0 && perTokenMs > 0
    let idleMs: number
    let busyMs: number
    if ((times[at + of.responseSamples] as number) >= 0) {
      const kept = times[at + of.keptShare] as number
      const share = times[at + of.responseShare] as number
      const byTokens = times[at + of.msPerPromptToken] as number
      const prefillMs = statedMs - linkMs
      let aheadMs = ahead * perTokenMs + turns * decodeMs
      if (!isKnown) {
        // Where nobody says what those who are there have to read: who has a slot has its prompt
        // read for as much of its time as that takes of it, who has none yet waits for a turn. They
        // are taken to ask for as much as this one.
        const reading = prefillMs <= 0 ? 0 : prefillMs / (prefillMs + decodeMs)
        const present = times[at + of.occupancy] as number
        aheadMs = present * reading * prefillMs + turns * (prefillMs + decodeMs)
      }
      const keptIdleMs = linkMs + prefillMs * kept
      const keptBusyMs = keptIdleMs + aheadMs * kept
      let idleLineMs = (times[at + of.lineIdleMs] as number) + byTokens * promptTokens
      const tokens = isKnown ? promptTokens + ahead : promptTokens
      let busyLineMs = (times[at + of.lineBusyMs] as number) + byTokens * tokens
      if (idleLineMs < 0) idleLineMs = 0
      if (busyLineMs < 0) busyLineMs = 0
      idleMs = keptIdleMs + (idleLineMs - keptIdleMs) * share
      if (idleMs < leastMs) idleMs = leastMs
      busyMs = keptBusyMs + (busyLineMs - keptBusyMs) * share
      if (busyMs < idleMs) busyMs = idleMs
    } else {
      const weight = times[at + of.ttftShare] as number
      idleMs = statedMs + ((times[at + of.ttftMs] as number) - statedMs) * weight
      if (idleMs < leastMs) idleMs = leastMs
      const prefillMs = idleMs - linkMs
      if (isKnown) busyMs = idleMs + ahead * perTokenMs + turns * decodeMs
      // Whoever is ahead in the queue is taken to ask for as much as this request.
      else busyMs = idleMs + turns * (prefillMs + decodeMs)
      if (!isKnown && isSoonAsked && weight === 0) {
        // Nor is a newcomer's first token soon while it reads the prompts of others.
        const reading = prefillMs * (prefillMs / Math.max(1, prefillMs + decodeMs))
        busyMs += (times[at + of.occupancy] as number) * reading
      }
    }
    const out = i * widthOut
    outlooks[out + to.idleTtftMs] = bounded(idleMs)
    outlooks[out + to.queueMs] = turns === 0 ? 0 : bounded(busyMs - idleMs)
    outlooks[out + to.ttftMs] = bounded(busyMs)
    outlooks[out + to.totalMs] = bounded(busyMs + decodeMs)
  }
}

/**
 * How many answers' times pass until a request can begin: for a slot, of those that work at a time,
 * or for room in the cache, which the first of those present leaves.
 */
function turnsBefore(times: Float64Array, at: number, tokens: number): number {
  const turns = times[at + of.turns] as number
  if (turns > 0 || (times[at + of.kvTokensFree] as number) >= tokens) return turns
  const present = times[at + of.present] as number
  return present <= 0 ? 0 : 1 / present
}

/** An answer in a week is no answer, whatever a worker states of itself. */
const predictedMsMax = 7 * 24 * 60 * 60_000

export function bounded(ms: number): number {
  return ms >= 0 && ms <= predictedMsMax ? ms : predictedMsMax
}

/** Unseen workers are taken to vary by half of their mean. */
const unseenVariation = 0.5

export function unseenSquare(meanMs: number): number {
  return (unseenVariation * meanMs) ** 2
}

/** How far single times lie from the predicted one. */
export function spread(
  observed: Pick<DurationEstimate, 'deviationMs' | 'samples'> | undefined,
  meanMs: number,
  samples: number,
): number {
  const unseen = unseenSquare(meanMs)
  if (observed === undefined) return Math.sqrt(unseen)
  const seen = observed.deviationMs ** 2
  return Math.sqrt((seen * observed.samples + unseen * samples) / (observed.samples + samples))
}

/** Beyond so many it is as good as sure. */
export const farDeviations = 8

/**
 * P(X ≤ limit), X normal: the logistic approximation, off by at most 0.01 (Bowling et al., 2009).
 */
export function within(limitMs: number, meanMs: number, deviationMs: number): number {
  const z = (limitMs - meanMs) / Math.max(deviationMs, 1e-9)
  // The exponential would only cost time.
  if (z > farDeviations) return 1
  return 1 / (1 + Math.exp(-1.702 * z))
}
