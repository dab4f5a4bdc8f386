/**
 * How long a candidate would take for a request: link, queue, prefill, decode.
 *
 * From work seen wherever there is some; a worker's own statement of its speed counts like a few
 * observations and so is soon outweighed; without either, a pessimistic assumption.
 */
import type { DurationEstimate } from '../evidence/index.ts'
import type { Candidate } from './candidate.ts'
import { outlook, outlooksPerRow, outlooksShift, rowMask, time, timesShift } from './layout.ts'
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
  /** Tokens that the answer is assumed to have, for gates and prices. */
  readonly completionTokens: number
  /** Tokens that it is expected to have, for times. */
  readonly predictedTokens: number
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

// Constants of this file, for the loop (`layout.ts`).
const of = time
const mask = rowMask
const shift = timesShift
const to = outlook
const shiftOut = outlooksShift

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
  into.idleTtftMs = bounded(alone.outlooks[to.idleTtftMs] as number)
  into.queueMs = bounded(alone.outlooks[to.queueMs] as number)
  into.ttftMs = bounded(alone.outlooks[to.ttftMs] as number)
  into.totalMs = bounded(alone.outlooks[to.totalMs] as number)
  into.idleTpotMs = table.idleTpotMs[row] as number
  into.tpotMs = bounded(table.times[(row << shift) + of.tpotMs] as number)
  into.overstatedBy = table.overstatedBy[row] as number
}

/** For candidates that are asked about one by one. */
let single = new CandidateTable(defaultPolicy)
const alone = newOutlooks(1)
alone.size = 1

/** Of each row that is there. One loop over bare numbers: a decision predicts for thousands. */
export function predictRows(into: Outlooks, { times }: CandidateTable, demand: Demand): void {
  const { size, rows, outlooks } = into
  const { request, completionTokens, predictedTokens } = demand
  const { promptTokens } = request
  const isSoonAsked = request.objective.ttftMs !== null
  // Gates ask when the queue is over, where a first token is to be soon: how short answers were
  // lately is no ground to promise it.
  const othersTokens = isSoonAsked ? completionTokens : predictedTokens
  for (let i = 0; i < size; i += 1) {
    const at = ((rows[i] as number) & mask) << shift
    const linkMs = times[at + of.linkMs] as number
    // The link and its own prefill speed bound how fast a worker can be, whatever shorter prompts
    // took.
    const readMs = (times[at + of.prefillMsPerToken] as number) * promptTokens
    const leastMs = linkMs + readMs
    const tpotMs = times[at + of.tpotMs] as number
    const decodeMs = tpotMs * (predictedTokens - 1)
    const othersDecodeMs = tpotMs * (othersTokens - 1)
    const turns = turnsBefore(times, at, promptTokens + completionTokens)
    const aheadMs = times[at + of.aheadMs] as number
    const othersShare = times[at + of.othersShare] as number
    const keptMs =
      (times[at + of.keptMs] as number) + (times[at + of.keptMsPerToken] as number) * promptTokens
    let idleMs = keptMs
    let busyMs: number
    if (othersShare >= 0) {
      const byTokensMs = (times[at + of.lineMsPerToken] as number) * promptTokens
      const idleLineMs = (times[at + of.lineIdleMs] as number) + byTokensMs
      const busyLineMs = (times[at + of.lineBusyMs] as number) + byTokensMs
      let othersMs = aheadMs + turns * othersDecodeMs
      if (aheadMs < 0) {
        // Where nobody says what those who are there have to read: who has a slot has its prompt
        // read for as much of its time as that takes of it, who has none yet waits for a turn. They
        // are taken to ask for as much as this one.
        const prefillMs = (times[at + of.assumedMs] as number) + readMs
        const wholeMs = prefillMs + othersDecodeMs
        const present = times[at + of.occupancy] as number
        othersMs = turns * wholeMs
        if (present > 0 && prefillMs > 0) othersMs += present * prefillMs * (prefillMs / wholeMs)
      }
      busyMs = keptMs + othersMs * othersShare
      if (idleLineMs > 0) idleMs += idleLineMs
      if (busyLineMs > 0) busyMs += busyLineMs
      if (idleMs < leastMs) idleMs = leastMs
      if (busyMs < idleMs) busyMs = idleMs
    } else {
      if (idleMs < leastMs) idleMs = leastMs
      const prefillMs = idleMs - linkMs
      if (aheadMs >= 0) busyMs = idleMs + aheadMs + turns * othersDecodeMs
      // Whoever is ahead in the queue is taken to ask for as much as this request.
      else busyMs = idleMs + turns * (prefillMs + othersDecodeMs)
      if (aheadMs < 0 && isSoonAsked && (times[at + of.ttftShare] as number) === 0) {
        // Nor is a newcomer's first token soon while it reads the prompts of others.
        const reading = prefillMs * (prefillMs / Math.max(1, prefillMs + othersDecodeMs))
        busyMs += (times[at + of.occupancy] as number) * reading
      }
    }
    const out = (i & mask) << shiftOut
    outlooks[out + to.idleTtftMs] = idleMs
    outlooks[out + to.queueMs] = turns === 0 ? 0 : busyMs - idleMs
    outlooks[out + to.ttftMs] = busyMs
    outlooks[out + to.totalMs] = busyMs + decodeMs
  }
}

/**
 * How many answers' times pass until a request can begin: for a slot, of those that work at a time,
 * or for room in the cache, which the first of those present leaves.
 */
const turnsBefore = (times: Float64Array, at: number, tokens: number): number => {
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
export const unseenVariation = 0.5

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
