/**
 * How decisions are made into objects: the only place that gives the brand.
 *
 * What costs words (rejections, reason) is made when it is first read, from bare facts that hold
 * on to no snapshot of the candidates.
 */
import type { WorkerId } from '../protocol/index.ts'
import type { Attempt, Decision, Rejection, Round } from './decision.ts'
import { reasonOf } from './explain/reason.ts'
import type { Fact, Gate } from './gates/gate.ts'
import type { Demand } from './prediction.ts'

/** A decision's data, without what is made from it on reading. */
export type DecisionFields = Omit<
  { readonly [K in keyof Decision as K extends symbol ? never : K]: Decision[K] },
  'rejections' | 'reason'
>

/** The rejected, a column per value. */
export interface RejectedColumns {
  readonly workers: readonly WorkerId[]
  readonly gates: readonly Gate[]
  readonly facts: readonly Fact[]
}

/** Words, made once for all decisions that grow out of the first one. */
interface Words {
  rejections: readonly Rejection[] | undefined
  makeRejections: (() => readonly Rejection[]) | undefined
  reason: string | undefined
}

export function newDecision(
  fields: DecisionFields,
  rejected: RejectedColumns,
  demand: Demand,
): Decision {
  const makeRejections = () => rejectionsOf(rejected, demand)
  return branded(
    new DecisionRecord(fields, { rejections: undefined, makeRejections, reason: undefined }),
  )
}

/** For decisions read back, whose words were kept. */
export function keptDecision(
  fields: DecisionFields,
  rejections: readonly Rejection[],
  reason: string,
): Decision {
  return branded(new DecisionRecord(fields, { rejections, makeRejections: undefined, reason }))
}

export function withAttempts(decision: Decision, attempts: readonly Attempt[]): Decision {
  const record = decision as unknown as DecisionRecord
  return branded(record.withAttempts(attempts))
}

/** Its JSON: as `JSON.stringify` has it, at a third of the time. */
export function textOfDecision(decision: Decision): string {
  return JSON.stringify((decision as unknown as DecisionRecord).toJSON())
}

/** The plain fields, copied: what JSON shows, but for the words. */
class DecisionRecord implements DecisionFields {
  readonly id: DecisionFields['id']
  readonly requestId: DecisionFields['requestId']
  readonly keyId: string | null
  readonly atMs: number
  readonly policyVersion: string
  readonly tier: string | null
  readonly model: string
  readonly request: DecisionFields['request']
  readonly completionTokens: number
  readonly predictedTokens: number
  readonly candidates: number
  readonly eligible: number
  readonly indistinguishable: number
  readonly alike: number
  readonly gateCounts: DecisionFields['gateCounts']
  readonly rankings: DecisionFields['rankings']
  readonly outcome: DecisionFields['outcome']
  readonly chosen: DecisionFields['chosen']
  readonly comparedWith: DecisionFields['comparedWith']
  readonly decidedBy: DecisionFields['decidedBy']
  readonly retryAfterMs: number | null
  readonly attempts: readonly Attempt[]
  readonly first: DecisionFields['first']
  readonly rounds: DecisionFields['rounds']
  readonly #words: Words

  constructor(fields: DecisionFields, words: Words, attempts = fields.attempts) {
    this.id = fields.id
    this.requestId = fields.requestId
    this.keyId = fields.keyId
    this.atMs = fields.atMs
    this.policyVersion = fields.policyVersion
    this.tier = fields.tier
    this.model = fields.model
    this.request = fields.request
    this.completionTokens = fields.completionTokens
    this.predictedTokens = fields.predictedTokens
    this.candidates = fields.candidates
    this.eligible = fields.eligible
    this.indistinguishable = fields.indistinguishable
    this.alike = fields.alike
    this.gateCounts = fields.gateCounts
    this.rankings = fields.rankings
    this.outcome = fields.outcome
    this.chosen = fields.chosen
    this.comparedWith = fields.comparedWith
    this.decidedBy = fields.decidedBy
    this.retryAfterMs = fields.retryAfterMs
    this.attempts = attempts
    this.first = fields.first
    this.rounds = fields.rounds
    this.#words = words
  }

  get rejections(): readonly Rejection[] {
    const words = this.#words
    words.rejections ??= words.makeRejections?.() ?? []
    words.makeRejections = undefined
    return words.rejections
  }

  get reason(): string {
    this.#words.reason ??= reasonOf(this)
    return this.#words.reason
  }

  withAttempts(attempts: readonly Attempt[]): DecisionRecord {
    return new DecisionRecord(this, this.#words, attempts)
  }

  /**
   * Bare data all through, with every field by its name: V8 writes that without looking for
   * methods, and a copy made by spreading is none of those that it can.
   */
  toJSON(): object {
    return {
      id: this.id,
      requestId: this.requestId,
      keyId: this.keyId,
      atMs: this.atMs,
      policyVersion: this.policyVersion,
      tier: this.tier,
      model: this.model,
      request: this.request,
      completionTokens: this.completionTokens,
      predictedTokens: this.predictedTokens,
      candidates: this.candidates,
      eligible: this.eligible,
      indistinguishable: this.indistinguishable,
      alike: this.alike,
      gateCounts: this.gateCounts,
      rankings: this.rankings,
      outcome: this.outcome,
      chosen: this.chosen,
      comparedWith: this.comparedWith,
      decidedBy: this.decidedBy,
      retryAfterMs: this.retryAfterMs,
      attempts: this.attempts,
      first: this.first,
      rounds: this.rounds.map(bareRound),
      rejections: this.rejections,
      reason: this.reason,
    } satisfies { readonly [K in keyof Decision as K extends symbol ? never : K]: unknown }
  }
}

function bareRound({ atMs, view, draws, tried, continuation }: Round): object {
  const { frame, change, hash } = view ?? {}
  return { atMs, view: view && { frame, change, hash }, draws, tried, continuation }
}

function branded(record: DecisionRecord): Decision {
  return record as unknown as Decision
}

function rejectionsOf(rejected: RejectedColumns, demand: Demand): readonly Rejection[] {
  const required = new Map<Gate, string>()
  const rejections: Rejection[] = []
  for (let i = 0; i < rejected.workers.length; i += 1) {
    const worker = rejected.workers[i]
    const gate = rejected.gates[i]
    const fact = rejected.facts[i]
    if (worker === undefined || gate === undefined || fact === undefined) continue
    const words = required.get(gate) ?? gate.required(demand)
    required.set(gate, words)
    rejections.push({ worker, gate: gate.name, required: words, actual: gate.actual(fact) })
  }
  return rejections
}
