/**
 * One request and a snapshot of the candidates → one decision.
 *
 * Pure: the same input and the same state of the random source give the same decision.
 */
import type { Random } from '../base/index.ts'
import type { DecisionId, WorkerId } from '../protocol/index.ts'
import { assumedTokens, predictedTokens } from './answer-length.ts'
import type { Candidate } from './candidate.ts'
import type { Attempt, Decision, DecisionOutcome, FirstChoice, Round } from './decision.ts'
import { newDecision } from './decision-record.ts'
import { answeringGate } from './gates/answering.ts'
import { breakerGate } from './gates/breaker.ts'
import { gates } from './gates/gates.ts'
import { isSound } from './gates/record.ts'
import { statementGate } from './gates/statement.ts'
import { unsuspectedGate } from './gates/unsuspected.ts'
import { orderOf } from './order.ts'
import { pick } from './pick.ts'
import type { RoutingPolicy } from './policy.ts'
import { candidateAt, leavePool, type Pool } from './pool.ts'
import { type Demand, emptyPrediction } from './prediction.ts'
import { rank } from './ranking.ts'
import { type Draws, DrawsNoted } from './replay/draws.ts'
import { roundOf } from './replay/rounds.ts'
import type { ViewReference } from './replay/view-log.ts'
import type { Continuation, RouteRequest } from './request.ts'
import { passes, sift } from './sift.ts'
import { bars, type CandidateTable, tableOf } from './table.ts'
import { tierOf } from './tier.ts'
import { judgeTimes } from './timeliness.ts'

export interface DecideInput {
  readonly request: RouteRequest
  readonly candidates: readonly Candidate[]
  /** Of these candidates and this policy, where somebody keeps one; it is made otherwise. */
  readonly table?: CandidateTable | undefined
  readonly policy: RoutingPolicy
  readonly random: Random
  /** ms since 1970. */
  readonly now: number
  readonly decisionId: DecisionId
  /** Names the API key of whoever asks; null: nobody's. */
  readonly keyId: string | null
  /** Names the snapshot, where it is kept; null or absent: it is not. */
  readonly view?: ViewReference | null
}

export function decide(input: DecideInput): Decision {
  return decideWith(input, newRequest)
}

export type ChooseAgainInput = Pick<
  DecideInput,
  'candidates' | 'table' | 'policy' | 'random' | 'now' | 'view'
> & {
  /** The answer that was begun and has to go on; absent: it begins anew. */
  readonly continuation?: Continuation
  /** Not this one either, although it has not failed. */
  readonly leaving?: WorkerId | undefined
}

/**
 * Another worker for the same request, after an attempt failed: the same decision with its
 * attempts, made anew on the present candidates without those that failed at it.
 */
export function chooseAgain(decision: Decision, input: ChooseAgainInput): Decision {
  const { id: decisionId, keyId, request, attempts, rounds } = decision
  const first = decision.first ?? firstChoice(decision)
  const { continuation = null, leaving } = input
  const before = { attempts, first, continuation, leaving, rounds }
  return decideWith({ ...input, request, decisionId, keyId }, before)
}

/**
 * Somebody else for the same request, beside the attempts that run; undefined where nobody could
 * begin with it at once.
 */
export function chooseBeside(decision: Decision, input: ChooseAgainInput): Decision | undefined {
  if (!couldMove(decision, input)) return undefined
  const beside = chooseAgain(decision, input)
  const ranking = beside.rankings.find(({ worker }) => worker === beside.chosen)
  return ranking === undefined || ranking.predictedQueueMs > 0 ? undefined : beside
}

/**
 * Whether somebody else who answers could take the request now, were the attempt that runs to fail.
 */
export function couldMove(
  { request, attempts }: Decision,
  present: Pick<ChooseAgainInput, 'candidates' | 'table' | 'policy' | 'continuation'>,
): boolean {
  const demand: Demand = {
    ...demandOf({ ...present, request }, tableFor(present), []),
    continuation: present.continuation ?? null,
    tried: new Set(attempts.filter(hasBeenAtIt).map(({ worker }) => worker)),
    avoidsOverdue: true,
    avoidsSuspects: true,
    avoidsBroken: true,
  }
  const asked = gates.filter((gate) => gate.applies(demand))
  return present.candidates.some((candidate) => passes(candidate, demand, asked))
}

function firstChoice(decision: Decision): FirstChoice {
  const { atMs, candidates, eligible, indistinguishable, alike, rankings } = decision
  const { chosen, comparedWith, decidedBy, reason } = decision
  const size = { candidates, eligible, indistinguishable, alike }
  return { atMs, ...size, rankings, chosen, comparedWith, decidedBy, reason }
}

interface Before {
  readonly attempts: readonly Attempt[]
  readonly first: FirstChoice | null
  readonly continuation: Continuation | null
  readonly leaving?: WorkerId | undefined
  readonly rounds: readonly Round[]
}

const newRequest: Before = { attempts: [], first: null, continuation: null, rounds: [] }
const draws = new DrawsNoted()

function decideWith(input: DecideInput, before: Before): Decision {
  const { request, candidates, policy } = input
  const { attempts, first, continuation, leaving } = before
  const table = tableFor(input)
  let demand = demandOf(input, table, attempts)
  if (continuation !== null) demand = { ...demand, continuation }
  if (leaving !== undefined) demand = { ...demand, tried: new Set([...demand.tried, leaving]) }
  let sifted = sift(table, demand)
  const takesLate = continuation !== null
  if (sifted.pool.size === 0 && (takesLate || avoidsSomeone(sifted.gateCounts))) {
    // Where no other is left, one that may have halted, or that failed, is better than none; and so
    // is a slow one, where a client has half of its answer.
    const anybody = { avoidsOverdue: false, avoidsSuspects: false, avoidsBroken: false }
    demand = { ...demand, ...anybody, takesLate }
    sifted = sift(table, demand)
  }
  if (sifted.pool.size === 0 && sifted.retryAfterMs === null && overstates(sifted.gateCounts)) {
    // Likewise one that is slower than it says; but those that are as fast are waited for.
    demand = { ...demand, avoidsOverstated: false }
    sifted = sift(table, demand)
  }
  if (sifted.retryAfterMs !== null && holdsUnsoundOnly(sifted.pool)) {
    // Where all whose work succeeds are busy, one whose work mostly fails is no refuge.
    const soundOnly = { ...demand, avoidsUnsound: true }
    const among = sift(table, soundOnly)
    if (among.retryAfterMs !== null) demand = soundOnly
    sifted = among.retryAfterMs !== null ? among : sift(table, demand)
  }
  const base = {
    id: input.decisionId,
    requestId: request.requestId,
    keyId: input.keyId,
    atMs: input.now,
    policyVersion: policy.version,
    tier: demand.tier?.name ?? null,
    model: request.model,
    request,
    completionTokens: demand.completionTokens,
    predictedTokens: demand.predictedTokens,
    candidates: candidates.length,
    eligible: sifted.pool.size,
    gateCounts: sifted.gateCounts,
    attempts,
    first,
  }
  const rounds = (drawn: Draws) => [...before.rounds, roundOf(input, demand, drawn)]
  const { pool, retryAfterMs } = sifted
  if (pool.size === 0) {
    const outcome: DecisionOutcome = retryAfterMs === null ? 'none' : 'busy'
    const undecided = { ...nobody, outcome, retryAfterMs, rounds: rounds([]) }
    return newDecision({ ...base, ...undecided }, sifted.rejected, demand)
  }
  judgeTimes(pool)
  const order = orderOf(pool, policy, policy.soonShare * (request.objective.ttftMs ?? 0))
  const { warm = [] } = request
  const picked = pick({ pool, order, policy, random: draws.from(input.random), warm })
  const decided = {
    indistinguishable: order.groupSize,
    alike: order.alike,
    rankings: rank(pool, { order, picked, policy }),
    outcome: 'chosen' as const,
    chosen: candidateAt(pool, picked.chosen)?.id ?? null,
    comparedWith: candidateAt(pool, picked.comparedWith ?? -1)?.id ?? null,
    decidedBy: picked.decidedBy,
    retryAfterMs: null,
    rounds: rounds(draws.taken()),
  }
  leavePool(pool)
  return newDecision({ ...base, ...decided }, sifted.rejected, demand)
}

function holdsUnsoundOnly(pool: Pool): boolean {
  for (let i = 0; i < pool.size; i += 1) {
    const candidate = candidateAt(pool, i)
    if (candidate !== undefined && isSound(candidate)) return false
  }
  return pool.size > 0
}

function tableFor({
  candidates,
  table,
  policy,
}: Pick<DecideInput, 'candidates' | 'table' | 'policy'>) {
  return table?.policy === policy ? table : tableOf(candidates, policy)
}

function avoidsSomeone(counts: Readonly<Record<string, number>>): boolean {
  return avoiding.some(({ name }) => (counts[name] ?? 0) > 0)
}

/** Asked only as long as somebody else passes them. */
const avoiding = [answeringGate, unsuspectedGate, breakerGate]

function overstates(counts: Readonly<Record<string, number>>): boolean {
  return (counts[statementGate.name] ?? 0) > 0
}

const nobody = {
  indistinguishable: 0,
  alike: 0,
  rankings: [],
  chosen: null,
  comparedWith: null,
  decidedBy: null,
} as const

function demandOf(
  { request, policy }: Pick<DecideInput, 'request' | 'policy'>,
  table: CandidateTable,
  attempts: readonly Attempt[],
): Demand {
  return {
    request,
    policy,
    tier: tierOf(policy, request.model),
    excluded: request.exclude.length === 0 ? nobodyAtAll : new Set(request.exclude),
    tried: attempts.length === 0 ? nobodyAtAll : triedAt(attempts),
    continuation: null,
    avoidsUnsound: false,
    takesLate: false,
    avoidsOverstated: true,
    ...doubtsOf(table),
    completionTokens: assumedTokens(request, policy),
    predictedTokens: predictedTokens(request, policy),
    prediction: emptyPrediction(),
  }
}

/** Mostly there are none, and then nobody is asked for any. */
function doubtsOf({ extremes: { barred } }: CandidateTable) {
  return {
    avoidsOverdue: (barred & bars.overdue) !== 0,
    avoidsSuspects: (barred & bars.suspect) !== 0,
    avoidsBroken: (barred & (bars.broken | bars.probed)) !== 0,
    hasDead: (barred & bars.dead) !== 0,
    hasBarred: (barred & bars.condemned) !== 0,
    hasWaiting: (barred & bars.waiting) !== 0,
  }
}

/** Hardly any request leaves somebody out. */
const nobodyAtAll: ReadonlySet<WorkerId> = new Set()

/** All but who was taken back before it began: an answer that left its worker stays away. */
function hasBeenAtIt({ outcome, ttftMs }: Attempt): boolean {
  return outcome !== 'cancelled' || ttftMs !== null
}

/** Those that failed, and those that are at it. */
function triedAt(attempts: readonly Attempt[]): ReadonlySet<WorkerId> {
  const tried = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'running')
  return new Set(tried.map(({ worker }) => worker))
}
