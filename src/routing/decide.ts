/**
 * One request and a snapshot of the candidates → one decision.
 *
 * Pure: the same input and the same state of the random source give the same decision.
 */
import type { Random } from '../base/index.ts'
import { survival } from '../evidence/index.ts'
import type { DecisionId, WorkerId } from '../protocol/index.ts'
import { type Candidate, presentOf, slotsOf } from './candidate.ts'
import type { Attempt, Decision, DecisionOutcome, FirstChoice, Ranking } from './decision.ts'
import { newDecision } from './decision-record.ts'
import { answeringGate } from './gates/answering.ts'
import { backOffGate } from './gates/back-off.ts'
import { breakerGate } from './gates/breaker.ts'
import type { Fact, Gate } from './gates/gate.ts'
import { gates, isWrittenOut, passesTier, passesUsual } from './gates/gates.ts'
import { latestTtftMs } from './gates/latency-at-load.ts'
import { isSound } from './gates/record.ts'
import { unsuspectedGate } from './gates/unsuspected.ts'
import { compareRank, loadOf, type Order, orderOf } from './order.ts'
import { type Pick as Picked, pick } from './pick.ts'
import type { RoutingPolicy } from './policy.ts'
import { addToPool, leavePool, type Pool, takePool } from './pool.ts'
import {
  type Demand,
  emptyPrediction,
  expectedCompletionTokens,
  percentile95,
  predict,
  spread,
} from './prediction.ts'
import type { Continuation, RouteRequest } from './request.ts'
import { tierOf } from './tier.ts'

export interface DecideInput {
  readonly request: RouteRequest
  readonly candidates: readonly Candidate[]
  readonly policy: RoutingPolicy
  readonly random: Random
  /** ms since 1970. */
  readonly now: number
  readonly decisionId: DecisionId
  /** Names the API key of whoever asks; null: nobody's. */
  readonly keyId: string | null
}

export function decide(input: DecideInput): Decision {
  return decideWith(input, newRequest)
}

export type ChooseAgainInput = Pick<DecideInput, 'candidates' | 'policy' | 'random' | 'now'> & {
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
  const { id: decisionId, keyId, request, attempts } = decision
  const first = decision.first ?? firstChoice(decision)
  const { continuation = null, leaving } = input
  const before = { attempts, first, continuation, leaving }
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
  present: Pick<ChooseAgainInput, 'candidates' | 'policy' | 'continuation'>,
): boolean {
  const demand: Demand = {
    ...demandOf({ ...present, request }, []),
    continuation: present.continuation ?? null,
    tried: new Set(attempts.map(({ worker }) => worker)),
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
}

const newRequest: Before = { attempts: [], first: null, continuation: null }

function decideWith(input: DecideInput, before: Before): Decision {
  const { request, candidates, policy } = input
  const { attempts, first, continuation, leaving } = before
  let demand = demandOf(input, attempts)
  if (continuation !== null) demand = { ...demand, continuation }
  if (leaving !== undefined) demand = { ...demand, tried: new Set([...demand.tried, leaving]) }
  let sifted = sift(candidates, demand)
  const takesLate = continuation !== null
  if (sifted.pool.size === 0 && (takesLate || avoidsSomeone(sifted.gateCounts))) {
    // Where no other is left, one that may have halted, or that failed, is better than none; and so
    // is a slow one, where a client has half of its answer.
    const anybody = { avoidsOverdue: false, avoidsSuspects: false, avoidsBroken: false }
    demand = { ...demand, ...anybody, takesLate }
    sifted = sift(candidates, demand)
  }
  if (sifted.retryAfterMs !== null && holdsUnsoundOnly(sifted.pool)) {
    // Where all whose work succeeds are busy, one whose work mostly fails is no refuge.
    const soundOnly = { ...demand, avoidsUnsound: true }
    const among = sift(candidates, soundOnly)
    if (among.retryAfterMs !== null) demand = soundOnly
    sifted = among.retryAfterMs !== null ? among : sift(candidates, demand)
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
    candidates: candidates.length,
    eligible: sifted.pool.size,
    gateCounts: sifted.gateCounts,
    attempts,
    first,
  }
  const { pool } = sifted
  if (pool.size === 0) {
    const retryAfterMs = sifted.retryAfterMs
    const outcome: DecisionOutcome = retryAfterMs === null ? 'none' : 'busy'
    return newDecision({ ...base, ...nobody, outcome, retryAfterMs }, sifted.rejected, demand)
  }
  const order = orderOf(pool, policy)
  const picked = pick({ pool, order, policy, random: input.random })
  const decided = {
    indistinguishable: order.groupSize,
    alike: order.alike.length,
    rankings: rank(pool, { order, picked, policy }),
    outcome: 'chosen' as const,
    chosen: pool.candidates[picked.chosen]?.id ?? null,
    comparedWith: pool.candidates[picked.comparedWith ?? -1]?.id ?? null,
    decidedBy: picked.decidedBy,
    retryAfterMs: null,
  }
  leavePool(pool)
  return newDecision({ ...base, ...decided }, sifted.rejected, demand)
}

function holdsUnsoundOnly({ size, candidates }: Pool): boolean {
  return size > 0 && !candidates.some(isSound)
}

function avoidsSomeone(counts: Readonly<Record<string, number>>): boolean {
  return avoiding.some(({ name }) => (counts[name] ?? 0) > 0)
}

/** Asked only as long as somebody else passes them. */
const avoiding = [answeringGate, unsuspectedGate, breakerGate]

const nobody = {
  indistinguishable: 0,
  alike: 0,
  rankings: [],
  chosen: null,
  comparedWith: null,
  decidedBy: null,
} as const

function demandOf(
  { request, policy, candidates }: Pick<DecideInput, 'request' | 'policy' | 'candidates'>,
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
    ...doubtsOf(candidates),
    completionTokens: expectedCompletionTokens(request, policy),
    prediction: emptyPrediction(),
  }
}

/** In one pass: mostly there are none, and then nobody is asked for any. */
function doubtsOf(candidates: readonly Candidate[]) {
  const doubts = {
    ...{ avoidsOverdue: false, avoidsSuspects: false, avoidsBroken: false },
    ...{ hasDead: false, hasBarred: false, hasWaiting: false },
  }
  for (const { breaker, overdue, standing, verdict } of candidates) {
    if (standing !== undefined) doubts.hasBarred = true
    if (breaker !== undefined) {
      if (breaker.state === 'waiting') doubts.hasWaiting = true
      else doubts.avoidsBroken = true
    }
    if (overdue) doubts.avoidsOverdue = true
    if (verdict === undefined) continue
    if (verdict === 'dead') doubts.hasDead = true
    else doubts.avoidsSuspects = true
  }
  return doubts
}

/** Hardly any request leaves somebody out. */
const nobodyAtAll: ReadonlySet<WorkerId> = new Set()

/** Those that failed, and those that are at it. */
function triedAt(attempts: readonly Attempt[]): ReadonlySet<WorkerId> {
  const tried = attempts.filter(({ outcome }) => outcome === 'failed' || outcome === 'running')
  return new Set(tried.map(({ worker }) => worker))
}

interface Sifted {
  /** The eligible. */
  readonly pool: Pool
  readonly gateCounts: Readonly<Record<string, number>>
  readonly rejected: { workers: WorkerId[]; gates: Gate[]; facts: Fact[] }
  /** null: nobody was rejected by a temporary gate. */
  readonly retryAfterMs: number | null
}

function sift(candidates: readonly Candidate[], demand: Demand): Sifted {
  const asked = gates.filter((gate) => gate.applies(demand))
  const unusual = asked.filter((gate) => !isWrittenOut(gate))
  const counts = new Array<number>(asked.length).fill(0)
  const pool = takePool(candidates.length)
  const rejected = { workers: [] as WorkerId[], gates: [] as Gate[], facts: [] as Fact[] }
  let retryAfterMs: number | null = null
  for (const candidate of candidates) {
    const isFit =
      passesUsual(candidate, demand) &&
      (demand.tier === null || passesTier(candidate, demand)) &&
      passes(candidate, demand, unusual)
    if (isFit) {
      addToPool(pool, candidate, demand)
      continue
    }
    // Who is rejected is rejected by the first gate in their order.
    const g = asked.findIndex((one) => one.check(candidate, demand) !== undefined)
    const gate = asked[g]
    const fact = gate?.check(candidate, demand)
    if (gate === undefined || fact === undefined) continue
    counts[g] = (counts[g] ?? 0) + 1
    if (gate.temporary) retryAfterMs = sooner(retryAfterMs, passesAfterMs(gate, candidate, demand))
    if (rejected.workers.length >= demand.policy.rejectionsMax) continue
    rejected.workers.push(candidate.id)
    rejected.gates.push(gate)
    rejected.facts.push(fact)
  }
  const gateCounts: Record<string, number> = {}
  for (const [g, gate] of asked.entries()) gateCounts[gate.name] = counts[g] ?? 0
  return { pool, gateCounts, rejected, retryAfterMs }
}

function passes(candidate: Candidate, demand: Demand, checked: readonly Gate[]): boolean {
  for (const gate of checked) if (gate.check(candidate, demand) !== undefined) return false
  return true
}

function sooner(aMs: number | null, bMs: number): number {
  return aMs === null ? bMs : Math.min(aMs, bMs)
}

/** When the candidate can be expected to pass a temporary gate. */
function passesAfterMs(gate: Gate, candidate: Candidate, demand: Demand): number {
  return gate === backOffGate
    ? Math.ceil(candidate.breaker?.leftMs ?? 0)
    : freeAfterMs(candidate, demand)
}

/**
 * When the candidate can be expected to have room: slots become free one after the other, on
 * average after one answer's time shared by all of them; with an objective, when the queue is
 * short enough for it.
 */
function freeAfterMs(candidate: Candidate, demand: Demand): number {
  const prediction = predict(candidate, demand)
  const slots = slotsOf(candidate)
  const answersAhead = presentOf(candidate) + 1 - slots * (1 + demand.policy.waitingPerSlotMax)
  const roomMs = (Math.max(1, answersAhead) * (prediction.totalMs - prediction.queueMs)) / slots
  const mostMs = latestTtftMs(prediction, demand) ?? Number.POSITIVE_INFINITY
  return Math.ceil(Math.max(roomMs, prediction.ttftMs - mostMs))
}

interface Ranked {
  readonly order: Order
  readonly picked: Picked
  readonly policy: RoutingPolicy
}

/** The best few, the chosen one, and whom it was compared with. */
function rank(pool: Pool, { order, picked, policy }: Ranked): readonly Ranking[] {
  const rankOf = (index: number, rank: number) => ({
    ...rankingOf(pool, index, rank),
    predictedTtftHighMs: highTtftMs(pool, index, policy),
  })
  const rankings = order.best.map((index, at) => rankOf(index, at + 1))
  const compare = compareRank(pool)
  const further: number[] = []
  for (const index of [picked.chosen, picked.comparedWith]) {
    if (index === undefined || order.best.includes(index)) continue
    further.push(index)
    rankings.push(rankOf(index, rankNumber(pool, compare, index)))
  }
  return further.length === 0 ? rankings : rankings.sort((a, b) => a.rank - b.rank)
}

/** By the normal distribution, as far as single times lay from what was predicted. */
function highTtftMs(pool: Pool, index: number, { claimSamples }: RoutingPolicy): number {
  const { response, ttft } = (pool.candidates[index] as Candidate).evidence
  const meanMs = pool.ttftMs[index] ?? 0
  return meanMs + percentile95 * spread(response ?? ttft, meanMs, claimSamples)
}

function rankNumber(pool: Pool, compare: (a: number, b: number) => number, index: number): number {
  let rank = 1
  for (let i = 0; i < pool.size; i += 1) if (i !== index && compare(i, index) < 0) rank += 1
  return rank
}

function rankingOf(pool: Pool, index: number, rank: number): Omit<Ranking, 'predictedTtftHighMs'> {
  const candidate = pool.candidates[index] as Candidate
  const { clean, completion, hazard, ttft } = candidate.evidence
  return {
    worker: candidate.id,
    rank,
    reliability: pool.reliability[index] ?? 0,
    reliabilityAtBest: pool.reliabilityAtBest[index] ?? 0,
    completionMean: completion.mean,
    completionLowerBound: completion.lowerBound,
    completionUpperBound: completion.upperBound,
    completionSamples: completion.samples,
    clean: clean.lowerBound,
    availability: survival(hazard.upper, pool.totalMs[index] ?? 0),
    timely: pool.timely[index] ?? 0,
    indistinguishable: pool.inGroup[index] === 1,
    alike: pool.alike[index] === 1,
    predictedTtftMs: pool.ttftMs[index] ?? 0,
    predictedQueueMs: pool.queueMs[index] ?? 0,
    predictedTotalMs: pool.totalMs[index] ?? 0,
    predictedFrom: ttft !== undefined ? 'observed' : claims(candidate) ? 'claimed' : 'assumed',
    price: pool.price[index] ?? 0,
    load: loadOf(pool, index),
    roundTripMs: candidate.roundTripMs ?? null,
    roundTripSource: candidate.roundTripSource,
  }
}

function claims(candidate: Candidate): boolean {
  const { prefillTokensPerSecond = 0, decodeTokensPerSecond = 0 } = candidate.offer ?? {}
  return prefillTokensPerSecond > 0 || decodeTokensPerSecond > 0
}
