/**
 * What this member believes of the others, and the one rule by which a statement changes it: the
 * higher incarnation wins; within one, an accusation outweighs alive, and left all. A member dies
 * here when its suspicion is over here, whatever others say. Whatever would change nothing is
 * dropped before its signature is looked at.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { nothing } from '../nothing.ts'
import { DeadSet, type Tombstone } from './dead-set.ts'
import type { MemberSummary } from './messages.ts'
import { type MembershipPreset, membershipLimits } from './presets.ts'
import { drawn } from './probe-order.ts'
import type {
  Accusation,
  AliveStatement,
  LeftStatement,
  Statement,
  Verification,
} from './statements.ts'
import { Suspicion, type SuspicionTimes } from './suspicion.ts'

export interface Member {
  readonly id: NodeId
  alive: AliveStatement
  /** Present while suspect. */
  suspicion: Suspicion | undefined
  readonly sinceMs: number
  /** A probe of this member, itself: there is a process behind the name. */
  hasAnswered: boolean
  /** When it signed that it is not dead after all, by its own clock. */
  readonly backSinceMs: number
}

export type RosterEvent = {
  /**
   * `returned`: was dead or had left. `refuted`: was suspect. `updated`: a newer record.
   * `displaced`: never answered, and made room for another.
   */
  readonly kind:
    | 'joined'
    | 'returned'
    | 'updated'
    | 'suspected'
    | 'refuted'
    | 'died'
    | 'left'
    | 'displaced'
  readonly id: NodeId
  readonly incarnation: number
}

/** Why a statement was thrown away. An honest bearer forges nothing; `expired` may be delay. */
export type StatementFault = 'forged' | 'expired' | 'self-accusation' | 'oversized' | 'not-admitted'

export type Merge =
  | { readonly outcome: 'old' }
  | { readonly outcome: 'rejected'; readonly fault: StatementFault }
  | { readonly outcome: 'full' }
  | {
      readonly outcome: 'merged'
      readonly event?: RosterEvent
      /** Who made room for it. */
      readonly displaced?: RosterEvent
      /** The suspect's time became the shortest: it should hear of it from here, now. */
      readonly isPressing?: boolean
    }

export interface RosterModules {
  /** Checks the signature of the statement's signer, and that it is neither too old nor too new. */
  verify(statement: Statement): Verification
  /** Who may be a member at all. Without it, all who sign for themselves. */
  admits?(statement: AliveStatement): boolean
}

const old: Merge = { outcome: 'old' }
const never = Number.NEGATIVE_INFINITY

/** Of tries to reach the lost. The rest goes to those who died before they could answer. */
const knownFirstShare = 0.75

export class Roster {
  readonly #self: NodeId
  readonly #preset: MembershipPreset
  readonly #modules: RosterModules
  readonly #members = new Map<NodeId, Member>()
  readonly #suspects = new Set<Member>()
  readonly dead = new DeadSet()

  constructor(self: NodeId, preset: MembershipPreset, modules: RosterModules) {
    this.#self = self
    this.#preset = preset
    this.#modules = modules
  }

  /** Members that are not dead, oneself included. */
  get clusterSize(): number {
    return this.#members.size + 1
  }

  /** Of those, oneself and who has answered: names that nobody answers to count for nothing. */
  get provenSize(): number {
    let size = 1
    for (const { hasAnswered } of this.#members.values()) if (hasAnswered) size += 1
    return size
  }

  get(id: NodeId): Member | undefined {
    return this.#members.get(id)
  }

  /** Whether it is or was a member; who is neither is told nothing of the others. */
  knows(id: NodeId): boolean {
    return this.#members.has(id) || this.dead.get(id) !== undefined
  }

  members(): IterableIterator<Member> {
    return this.#members.values()
  }

  /** Drawn; undefined where there is nobody. */
  anyone(random: Random): NodeId | undefined {
    const ids = Array.from(this.#members.keys())
    return ids[random.below(Math.max(1, ids.length))]
  }

  /** It has answered a probe itself. */
  noteAnswer(id: NodeId): void {
    const member = this.#members.get(id)
    if (member !== undefined) member.hasAnswered = true
  }

  /** Takes in what is said of another member. */
  merge(statement: Statement, nowMs: number): Merge {
    switch (statement.kind) {
      case 'alive':
        return this.#mergeAlive(statement, nowMs)
      case 'left':
        return this.#mergeLeft(statement, nowMs)
      case 'suspect':
      case 'dead':
        return this.#mergeAccusation(statement, nowMs)
    }
  }

  /** An accusation of one's own, which needs no check. */
  accuse(accusation: Accusation, nowMs: number): Merge {
    const member = this.#members.get(accusation.subject)
    if (member === undefined || member.alive.incarnation !== accusation.incarnation) return old
    if (member.suspicion?.isNew(accusation) === false) return old
    return this.#suspect(member, accusation, nowMs)
  }

  /** Its time to refute is over here. */
  bury(member: Member, verdict: Accusation, nowMs: number): RosterEvent {
    const accusations = member.suspicion?.accusations ?? []
    const others = accusations.filter(({ accuser }) => accuser !== verdict.accuser)
    return this.#remove(member, 'dead', { nowMs, statements: [...others, verdict] })
  }

  /** Members whose suspicion is over. */
  overdue(nowMs: number): readonly Member[] {
    if (this.#suspects.size === 0) return nothing // nearly always, and asked at every step
    const found: Member[] = []
    for (const member of this.#suspects) {
      if (member.suspicion !== undefined && member.suspicion.deadlineMs <= nowMs) found.push(member)
    }
    return found
  }

  /** What suspects are to be told now, because their time runs out here. */
  reminders(nowMs: number): readonly Accusation[] {
    if (this.#suspects.size === 0) return nothing // nearly always, and asked at every step
    const found: Accusation[] = []
    for (const { suspicion } of this.#suspects) {
      const accusation = suspicion?.takeReminder(nowMs)
      if (accusation !== undefined) found.push(accusation)
    }
    return found
  }

  /** When something is to be done about a suspicion; Infinity without one. */
  get nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY
    if (this.#suspects.size === 0) return next // nearly always, and asked at every step
    for (const { suspicion } of this.#suspects) {
      if (suspicion !== undefined) next = Math.min(next, suspicion.nextDueMs)
    }
    return next
  }

  postpone(byMs: number): void {
    for (const { suspicion } of this.#suspects) suspicion?.postpone(byMs)
  }

  /** All that was said of it and still counts. */
  statementsOf(id: NodeId): readonly Statement[] {
    const member = this.#members.get(id)
    if (member !== undefined) return [member.alive, ...(member.suspicion?.accusations ?? [])]
    return this.dead.get(id)?.statements ?? []
  }

  /**
   * Said by one who is dead here, or who was when it said so: it blames who is on this side of what
   * cut it off. Both times are by the accuser's clock.
   */
  isFromBeyond(accusation: Accusation): boolean {
    const { accuser } = accusation
    if (this.#members.has(accuser)) return !this.isFromHere(accusation)
    return this.dead.get(accuser)?.reason === 'dead'
  }

  /** Said by a member, since it is one. */
  isFromHere({ accuser, issuedAtMs }: Accusation): boolean {
    const member = this.#members.get(accuser)
    return member !== undefined && issuedAtMs >= member.backSinceMs
  }

  /** For a suspect one accusation is enough; the dead need their own last words as well. */
  saidAgainst(id: NodeId): readonly Statement[] {
    const member = this.#members.get(id)
    if (member !== undefined) return member.suspicion?.accusations.slice(0, 1) ?? nothing
    return this.dead.get(id)?.verdict ?? nothing
  }

  /** Whom to tell now: some members, and one of those who died lately, in case it lives. */
  listeners(nowMs: number, count: number, random: Random): NodeId[] {
    const dead: NodeId[] = []
    for (const { id, reason, sinceMs } of this.dead.values()) {
      if (reason === 'dead' && nowMs - sinceMs < this.#preset.gossipToDeadMs) dead.push(id)
    }
    return [...drawn([...this.#members.keys()], count, random), ...drawn(dead, 1, random)]
  }

  /**
   * One who may be there and is not heard of: of the dead, or of the seeds that nobody else knows.
   * Mostly one that has been there: names that nobody answers to must not keep a partition open.
   */
  oneLost(seeds: readonly NodeId[], random: Random): NodeId | undefined {
    const known = seeds.filter((id) => id !== this.#self && !this.knows(id))
    const unproven: NodeId[] = []
    for (const { hasAnswered, id, reason } of this.dead.values()) {
      if (reason === 'dead') (hasAnswered ? known : unproven).push(id)
    }
    const isKnown = unproven.length === 0 || random.float() < knownFirstShare
    const lost = isKnown && known.length > 0 ? known : unproven
    return lost[random.below(Math.max(1, lost.length))]
  }

  summaryOf(id: NodeId): MemberSummary | undefined {
    const member = this.#members.get(id)
    if (member !== undefined) return summaryOfMember(member)
    const tombstone = this.dead.get(id)
    return tombstone && { id, incarnation: tombstone.incarnation, state: tombstone.reason }
  }

  summary(): MemberSummary[] {
    const summary: MemberSummary[] = []
    for (const member of this.#members.values()) summary.push(summaryOfMember(member))
    for (const { id, incarnation, reason } of this.dead.values()) {
      summary.push({ id, incarnation, state: reason })
    }
    return summary
  }

  /** As far as one message has room, oneself first. */
  summaryWith({ subject: id, incarnation }: AliveStatement): MemberSummary[] {
    const own: MemberSummary = { id, incarnation, state: 'alive' }
    return [own, ...this.summary()].slice(0, membershipLimits.summariesMax)
  }

  #mergeAlive(statement: AliveStatement, nowMs: number): Merge {
    const { subject: id, incarnation } = statement
    const member = this.#members.get(id)
    const tombstone = this.dead.get(id)
    if (member !== undefined && incarnation <= member.alive.incarnation) return old
    if (tombstone !== undefined && incarnation <= tombstone.incarnation) return old
    if (statement.payload.length > membershipLimits.payloadBytesMax) return rejected('oversized')
    const isFull = member === undefined && this.#members.size >= membershipLimits.membersMax
    const idle = isFull ? this.#longestUnproven(nowMs) : undefined
    if (isFull && idle === undefined) return { outcome: 'full' }
    // First, because it costs a twentieth: a stranger must not make anyone verify signatures.
    if (this.#modules.admits?.(statement) === false) return rejected('not-admitted')
    const verification = this.#modules.verify(statement)
    if (verification !== 'valid') return rejected(verification)
    if (member === undefined) {
      this.dead.remove(id)
      const hasAnswered = tombstone?.hasAnswered ?? false
      const backSinceMs = tombstone?.reason === 'dead' ? statement.issuedAtMs : never
      const since = { sinceMs: nowMs, backSinceMs }
      this.#members.set(id, { id, alive: statement, suspicion: undefined, hasAnswered, ...since })
      const merge = merged({ kind: tombstone ? 'returned' : 'joined', id, incarnation })
      return idle === undefined ? merge : { ...merge, displaced: this.#displace(idle) }
    }
    const kind = member.suspicion === undefined ? 'updated' : 'refuted'
    this.#suspects.delete(member)
    member.alive = statement
    member.suspicion = undefined
    return merged({ kind, id, incarnation })
  }

  #mergeLeft(statement: LeftStatement, nowMs: number): Merge {
    const member = this.#members.get(statement.subject)
    if (member === undefined || statement.incarnation < member.alive.incarnation) return old
    const verification = this.#modules.verify(statement)
    if (verification !== 'valid') return rejected(verification)
    return merged(this.#remove(member, 'left', { nowMs, statements: [statement] }))
  }

  #mergeAccusation(statement: Accusation, nowMs: number): Merge {
    const { accuser, subject, incarnation } = statement
    if (accuser === subject) return rejected('self-accusation')
    // One's own come back by gossip. A stranger's word, or a dead member's, counts for nothing.
    if (accuser === this.#self || !this.isFromHere(statement)) return old
    const member = this.#members.get(subject)
    // A higher incarnation than the subject has signed is not the accuser's to say.
    if (member === undefined || member.alive.incarnation !== incarnation) return old
    if (member.suspicion?.isNew(statement) === false) return old
    const verification = this.#modules.verify(statement)
    if (verification !== 'valid') return rejected(verification)
    return this.#suspect(member, statement, nowMs)
  }

  #suspect(member: Member, accusation: Accusation, nowMs: number): Merge {
    const { id } = member
    const { incarnation } = accusation
    const isFirst = member.suspicion === undefined
    if (isFirst) this.#suspects.add(member)
    member.suspicion ??= new Suspicion(this.#suspicionTimes(), nowMs)
    const isPressing = member.suspicion.add(accusation)
    if (!isFirst) return { outcome: 'merged', isPressing }
    const event: RosterEvent = { kind: 'suspected', id, incarnation }
    return { outcome: 'merged', isPressing, event }
  }

  #remove(
    member: Member,
    reason: Tombstone['reason'],
    { nowMs, statements }: { nowMs: number; statements: readonly Statement[] },
  ): RosterEvent {
    const { id, alive, hasAnswered } = member
    const incarnation = statements[0]?.incarnation ?? alive.incarnation
    const untilMs = nowMs + this.#preset.deadSetMs
    const said = [alive, ...statements]
    this.#suspects.delete(member)
    this.#members.delete(id)
    const times = { sinceMs: nowMs, untilMs }
    const verdict = [alive, ...statements.slice(-1)]
    this.dead.add({ id, incarnation, reason, ...times, statements: said, verdict, hasAnswered })
    return { kind: reason === 'dead' ? 'died' : 'left', id, incarnation }
  }

  /** Of those that had time to answer; asked only when there is no room. */
  #longestUnproven(nowMs: number): Member | undefined {
    for (const member of this.#members.values()) {
      const isDue = nowMs - member.sinceMs >= membershipLimits.provingMs
      if (!member.hasAnswered && isDue) return member
    }
    return undefined
  }

  /** Not dead: whoever it is may come again when there is room. */
  #displace(member: Member): RosterEvent {
    const { alive, id } = member
    this.#suspects.delete(member)
    this.#members.delete(id)
    return { kind: 'displaced', id, incarnation: alive.incarnation }
  }

  #suspicionTimes(): SuspicionTimes {
    const { suspicionAlpha, suspicionBeta, probeIntervalMs, suspicionConfirmations } = this.#preset
    const shortestMs = suspicionAlpha * Math.max(1, Math.log10(this.clusterSize)) * probeIntervalMs
    if (!this.#preset.mechanisms.dynamicSuspicion) {
      return { shortestMs, longestMs: shortestMs, confirmations: 0 }
    }
    // Besides the suspect and the first accuser nobody else may be there to confirm.
    const confirmations = Math.max(0, Math.min(suspicionConfirmations, this.clusterSize - 2))
    return { shortestMs, longestMs: suspicionBeta * shortestMs, confirmations }
  }
}

/** It is no member any more. */
export function isGone({ kind }: RosterEvent): boolean {
  return kind === 'died' || kind === 'left' || kind === 'displaced'
}

function summaryOfMember({ id, alive, suspicion }: Member): MemberSummary {
  const state = suspicion === undefined ? 'alive' : 'suspect'
  return { id, incarnation: alive.incarnation, state }
}

function rejected(fault: StatementFault): Merge {
  return { outcome: 'rejected', fault }
}

function merged(event: RosterEvent): Extract<Merge, { outcome: 'merged' }> {
  return { outcome: 'merged', event }
}
