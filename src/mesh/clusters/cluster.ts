/**
 * One node's place in one cluster: its roster, who is present, which pairs are far; and, for the
 * one who is the coordinator, admission and publication. docs/decisions/0025 says why it is so.
 */
import type { NodeId } from '../../protocol/index.ts'
import { judge } from './admission.ts'
import { BoundWatch } from './bound-watch.ts'
import {
  coordinatorIn,
  faultOf,
  keepsSeat,
  presentIn,
  type Roster,
  type RosterBody,
  type Seat,
  type Standing,
  seatOf,
  stanceOn,
} from './claims.ts'
import type { ClusterContext, Fate } from './context.ts'
import { Disputes } from './disputes.ts'
import { whoLeaves } from './fit.ts'
import { answerToHere } from './here.ts'
import { lapsedSeats } from './lapsed-seats.ts'
import { clusterTimes } from './limits.ts'
import { type ClusterMessage, type MessageOf, rosterCardsMax, type Verdict } from './messages.ts'
import { Presence } from './presence.ts'
import { farthestCards } from './proposals.ts'
import { Refresher } from './refresher.ts'
import { changed, Publication, placeOf } from './roster-change.ts'
import { Standings } from './standings.ts'

type Told = Pick<MessageOf<'roster'>, 'roster' | 'standings' | 'coordinator'>

export class Cluster {
  readonly #context: ClusterContext
  readonly epoch: number
  readonly #presence: Presence
  readonly #standings: Standings
  readonly #disputes = new Disputes()
  #roster: Roster
  #fate: Fate = 'in'
  /** Something that others should know of has changed since it was last asked. */
  #isChanged = true
  #isUnchecked = true
  #hasToldFar = false
  /** Admitted, but has not yet said that it is in; until when it may. */
  readonly #unconfirmed = new Map<NodeId, number>()
  readonly #publication = new Publication()
  #publishAtMs = Number.POSITIVE_INFINITY
  readonly #bound = new BoundWatch()
  #checkAtMs: number
  readonly #refresher: Refresher

  constructor(context: ClusterContext, roster: Roster, nowMs: number) {
    this.#context = context
    this.#roster = roster
    this.epoch = seatOf(roster, context.self)?.epoch ?? 0
    this.#presence = new Presence(context, nowMs)
    this.#standings = new Standings(context, { cluster: roster.cluster, epoch: this.epoch })
    this.#checkAtMs = nowMs + clusterTimes.checkEveryMs
    this.#refresher = new Refresher(context, nowMs)
  }

  get id(): string {
    return this.#roster.cluster
  }

  get roster(): Roster {
    return this.#roster
  }

  get fate(): Fate {
    return this.#fate
  }

  get coordinator(): NodeId {
    return coordinatorIn(this.#roster, this.#presence.absent) ?? this.#context.self
  }

  get isCoordinator(): boolean {
    return this.coordinator === this.#context.self
  }

  /** The present, in the order of admission. */
  present(): NodeId[] {
    return presentIn(this.#roster, this.#presence.absent)
  }

  get size(): number {
    return this.#roster.seats.length - this.#presence.absent.size
  }

  /** Whether the bound holds for the others when oneself goes. */
  get canSpareOneself(): boolean {
    const { far } = this.#standings
    return far.size === 0 || whoLeaves(this.#others(), far).length === 0
  }

  get nextDueMs(): number {
    if (this.#roster.seats.length === 1) return Number.POSITIVE_INFINITY
    const dueMs = Math.min(this.#presence.nextDueMs, this.#publishAtMs)
    const isToCheck = this.#isUnchecked || this.#bound.isViolated || this.isCoordinator
    return Math.min(dueMs, isToCheck ? this.#checkAtMs : dueMs, this.#refresher.nextDueMs)
  }

  /** All are there and measured, and the bound holds. */
  get isCalm(): boolean {
    if (this.#roster.seats.length === 1) return true
    const isStill = this.#presence.isCalm && this.#refresher.isCalm && !this.#isUnchecked
    const isTold = this.#publishAtMs === Number.POSITIVE_INFINITY && this.#unconfirmed.size === 0
    return isStill && isTold && !this.#bound.isViolated
  }

  /** Whether roster or presence have changed since the last call. */
  takeChange(): boolean {
    const was = this.#isChanged
    this.#isChanged = false
    return was
  }

  /** What is known of who is far, from whoever admitted oneself. */
  learnStandings(standings: readonly Standing[], from: NodeId, nowMs: number): void {
    for (const standing of standings) this.#takeStanding(standing, from, nowMs)
  }

  /** Says to all that one is in, and who is too far: confirms an admission. */
  announce(nowMs: number): void {
    this.#standings.renew(this.#roster, nowMs)
    this.#isUnchecked = true
    const { own } = this.#standings
    if (own === undefined) return
    const isForAll = own.far.length > 0 || this.#hasToldFar
    this.#hasToldFar = own.far.length > 0
    for (const id of isForAll ? this.#others() : [this.coordinator]) {
      if (id !== own.id) this.#context.send(id, { kind: 'standing', standing: own })
    }
  }

  /** Tells that one is elsewhere now; called with the new card in place. */
  sayGoodbye(): void {
    if (this.isCoordinator && this.#publishAtMs < Number.POSITIVE_INFINITY) this.#publish()
    for (const id of this.#others()) {
      const isTold = this.isCoordinator || id === this.coordinator
      if (isTold) this.#context.send(id, { kind: 'moved', card: this.#context.ownCard() })
    }
  }

  noteTrip(id: NodeId, nowMs: number): void {
    if (seatOf(this.#roster, id) !== undefined) this.#checkSoon(nowMs)
  }

  /** @returns whether it had been absent */
  noteHeard(id: NodeId, nowMs: number): boolean {
    if (seatOf(this.#roster, id) === undefined || !this.#presence.heard(id, nowMs)) return false
    this.#notePresence(nowMs)
    return true
  }

  noteLost(id: NodeId, nowMs: number): void {
    if (id === this.#context.self || seatOf(this.#roster, id) === undefined) return
    this.#presence.lost(id, nowMs)
    this.#notePresence(nowMs)
  }

  tick(nowMs: number): void {
    if (this.#roster.seats.length === 1) return
    if (this.#presence.tick(this.#roster, this.epoch, nowMs)) this.#notePresence(nowMs)
    if (nowMs >= this.#checkAtMs) this.#check(nowMs)
    this.#refresher.tick(this.#roster, this.#presence.absent, nowMs)
    if (nowMs >= this.#publishAtMs) this.#publish()
  }

  hear(from: NodeId, message: ClusterMessage, nowMs: number): void {
    if (message.kind !== 'moved') this.noteHeard(from, nowMs)
    const { kind } = message
    if (kind === 'roster-wanted') this.#showRoster(from, message)
    else if (kind === 'roster') this.#takeRoster(from, message, nowMs)
    else if (kind === 'roster-change') this.#takeChange(from, message, nowMs)
    else if (kind === 'ask') this.#takeAsk(from, message, nowMs)
    else if (kind === 'standing' && message.standing.id !== from) {
      this.#context.reject(from, 'forged')
    } else if (kind === 'standing') this.#takeStanding(message.standing, from, nowMs)
    else if (kind === 'here') this.#takeHere(from, message, nowMs)
    else if (kind === 'moved') this.#takeMoved(from, message, nowMs)
    else if (this.#presence.acknowledged(from, this.#roster, nowMs)) this.#isChanged = true
  }

  #others(): NodeId[] {
    return this.present().filter((id) => id !== this.#context.self)
  }

  #notePresence(nowMs: number): void {
    this.#isChanged = true
    this.#checkSoon(nowMs)
    this.#presence.hurry(nowMs)
  }

  #checkSoon(nowMs: number): void {
    this.#isUnchecked = true
    this.#checkAtMs = Math.min(this.#checkAtMs, nowMs + clusterTimes.checkEveryMs)
  }

  #showRoster(to: NodeId, { card }: MessageOf<'roster-wanted'>): void {
    const { cardOf } = this.#context
    const shown = card && farthestCards(card, this.present().map(cardOf), rosterCardsMax)
    this.#context.send(to, { ...this.#rosterMessage(), cards: shown ?? [] })
  }

  #rosterMessage(): MessageOf<'roster'> {
    const [roster, standings] = [this.#roster, this.#standings.notable()]
    return { kind: 'roster', roster, coordinator: this.coordinator, standings, cards: [] }
  }

  /** Another has admitted it anew: the seat that is known here is of an earlier life. */
  #isReseated(id: NodeId, epoch = 0): boolean {
    const known = seatOf(this.#roster, id)?.epoch ?? Number.POSITIVE_INFINITY
    return known < epoch && !this.#presence.isGone(id)
  }

  #takeRoster(from: NodeId, { coordinator, roster, standings }: Told, nowMs: number): void {
    // Else both sides of a partition may wait for one that, where it is, coordinates nothing.
    if (this.#isReseated(from, seatOf(roster, from)?.epoch)) this.#noteGone(from, nowMs)
    const [mine, { absent }] = [this.#roster, this.#presence]
    const stance = stanceOn(roster, { mine, absent, isCoordinator: this.isCoordinator })
    if (stance === 'old' && coordinator === from) this.#remind(from, nowMs)
    if (stance === 'old' || stance === 'known') return
    const fault = faultOf(roster, mine, this.#context)
    if (fault !== undefined) this.#context.reject(from, fault)
    else if (stance === 'override') this.#override(roster, nowMs)
    else if (stance === 'dispute') this.#dispute(roster.coordinator, nowMs)
    else if (seatOf(roster, this.#context.self)?.epoch !== this.epoch) this.#fate = 'unseated'
    else {
      this.#adopt(roster, nowMs)
      this.learnStandings(standings, from, nowMs)
    }
  }

  #takeChange(from: NodeId, change: MessageOf<'roster-change'>, nowMs: number): void {
    const place = placeOf(change, this.#roster)
    if (place === 'old' && change.roster.coordinator === from) this.#remind(from, nowMs)
    if (place === 'apart') this.#wantRoster(from)
    if (place !== 'next') return
    const roster = changed(this.#roster, change)
    this.#takeRoster(from, { ...change, coordinator: from, roster }, nowMs)
  }

  /** It coordinates, and does not know what was signed while it was away. */
  #remind(coordinator: NodeId, nowMs: number): void {
    if (coordinator === this.coordinator) this.#presence.remind(nowMs)
  }

  #wantRoster(of: NodeId): void {
    this.#context.send(of, { kind: 'roster-wanted', cluster: this.id, card: undefined })
  }

  /** One of the two does not know who is there: the coordinator is asked. */
  #dispute(signer: NodeId, nowMs: number): void {
    const standpoint = this.#disputes.note(signer, nowMs)
    if (standpoint === 'over') this.#context.reject(signer, 'usurped')
    if (standpoint === 'new') this.#presence.hurry(nowMs)
  }

  /** Another coordinated meanwhile, or pretends to: one's own goes on, as a later version. */
  #override({ coordinator, version }: Roster, nowMs: number): void {
    if (seatOf(this.#roster, coordinator) === undefined) return
    const above = this.#disputes.answer(version, nowMs)
    if (above !== undefined) this.#sign({ ...this.#roster, version: above }, nowMs)
  }

  #adopt(roster: Roster, nowMs: number): void {
    this.#presence.keepOnly((id) => keepsSeat(id, this.#roster, roster))
    this.#roster = roster
    this.#isChanged = true
    this.#checkSoon(nowMs)
    const isSeated = (id: NodeId) => seatOf(roster, id) !== undefined
    for (const part of [this.#standings, this.#disputes]) part.keepOnly(isSeated)
  }

  /** As coordinator: what follows this body. */
  #sign(body: RosterBody, nowMs: number): void {
    const { seal, self } = this.#context
    const { kind, cluster, version, seats } = body
    this.#adopt(seal.sign({ kind, cluster, version: version + 1, coordinator: self, seats }), nowMs)
    this.#publishAtMs = Math.min(this.#publishAtMs, nowMs + clusterTimes.publishEveryMs)
  }

  #publish(): void {
    this.#publishAtMs = Number.POSITIVE_INFINITY
    const standings = this.#standings.notable(this.#publication.newcomers)
    const whole = { ...this.#rosterMessage(), standings }
    for (const { to, message } of this.#publication.of(whole, this.#others())) {
      this.#context.send(to, message)
    }
  }

  #takeAsk(from: NodeId, { card, trips }: MessageOf<'ask'>, nowMs: number): void {
    const { seal, rules, trips: measured } = this.#context
    if (card.id !== from || seal.verify(card) !== 'valid') {
      this.#context.reject(from, 'forged')
      return
    }
    if (!this.isCoordinator) {
      this.#answer(from, 'elsewhere')
      return
    }
    const epoch = card.epoch + 1
    const known = seatOf(this.#roster, from)
    if (known !== undefined) {
      // Asked again, its answer was lost; or it has been elsewhere meanwhile, and starts anew.
      if (known.epoch === epoch) this.#answer(from, 'admitted')
      else if (known.epoch < epoch) this.#dismiss([from], nowMs)
      if (known.epoch >= epoch) return
    }
    const [roster, present] = [this.#roster, this.present()]
    const view = { roster, present, far: this.#standings.far, trips: measured, rules }
    const { verdict, far } = judge(from, trips, view)
    if (verdict === 'admitted') this.#admit({ id: from, epoch }, far, nowMs)
    this.#answer(from, verdict)
  }

  #admit(seat: Seat, far: readonly NodeId[], nowMs: number): void {
    this.#sign({ ...this.#roster, seats: [...this.#roster.seats, seat] }, nowMs)
    this.#standings.expect(seat.id, far)
    this.#presence.heard(seat.id, nowMs)
    this.#unconfirmed.set(seat.id, nowMs + clusterTimes.confirmMs)
    this.#publication.newcomers.set(seat.id, this.#roster.version)
  }

  #answer(to: NodeId, verdict: Verdict): void {
    const { cards: _, ...told } = this.#rosterMessage()
    this.#context.send(to, { ...told, kind: 'answer', cluster: this.id, verdict })
  }

  #takeStanding(standing: Standing, from: NodeId, nowMs: number): void {
    const { id } = standing
    if (standing.cluster !== this.id || id === this.#context.self) return
    if (!this.#standings.take(standing, from)) return
    this.#checkSoon(nowMs)
    if (seatOf(this.#roster, id)?.epoch === standing.epoch) this.#unconfirmed.delete(id)
  }

  #takeHere(from: NodeId, here: MessageOf<'here'>, nowMs: number): void {
    const [mine, { isCoordinator }] = [this.#roster, this]
    const isSeated = seatOf(mine, from)?.epoch === here.epoch
    if (isSeated) this.#unconfirmed.delete(from)
    else if (!isCoordinator && this.#isReseated(from, here.epoch)) this.#noteGone(from, nowMs)
    const answer = answerToHere(here, { mine, isSeated, isCoordinator })
    const { cluster, version } = mine
    if (answer.isAcknowledged) this.#context.send(from, { kind: 'here-ack', cluster, version })
    if (answer.showsRoster) this.#context.send(from, this.#rosterMessage())
    if (answer.wantsRoster) this.#wantRoster(from)
  }

  #takeMoved(from: NodeId, { card }: MessageOf<'moved'>, nowMs: number): void {
    if (card.id !== from || this.#context.seal.verify(card) !== 'valid') {
      this.#context.reject(from, 'forged')
      return
    }
    const epoch = seatOf(this.#roster, from)?.epoch ?? Number.POSITIVE_INFINITY
    if (card.cluster !== this.id && card.epoch >= epoch) this.#noteGone(from, nowMs)
  }

  /** It says itself that its seat is not where it is: nobody waits for it any more. */
  #noteGone(id: NodeId, nowMs: number): void {
    this.#presence.gone(id, nowMs)
    this.#notePresence(nowMs)
    if (this.isCoordinator) this.#dismiss([id], nowMs)
  }

  #dismiss(ids: readonly NodeId[], nowMs: number): void {
    const seats = this.#roster.seats.filter(({ id }) => !ids.includes(id))
    const told = ids.filter((id) => !this.#presence.absent.has(id))
    for (const id of ids) this.#unconfirmed.delete(id)
    this.#sign({ ...this.#roster, seats }, nowMs)
    for (const id of told) this.#context.send(id, this.#rosterMessage())
  }

  /** Whether the bound holds; and what follows for oneself, and as coordinator. */
  #check(nowMs: number): void {
    this.#checkAtMs = nowMs + clusterTimes[this.isCalm ? 'calmCheckEveryMs' : 'checkEveryMs']
    const [{ cardOf, self }, { far }] = [this.#context, this.#standings]
    const renewal = this.#isUnchecked ? this.#standings.renew(this.#roster, nowMs) : 'same'
    if (renewal === 'new') this.announce(nowMs)
    if (this.isCoordinator) {
      const [roster, presence, unconfirmed] = [this.#roster, this.#presence, this.#unconfirmed]
      const lapsed = lapsedSeats({ roster, presence, unconfirmed, cardOf }, nowMs)
      if (lapsed.length > 0) this.#dismiss(lapsed, nowMs)
    }
    if (!this.#isUnchecked && !this.#bound.isViolated) return
    this.#isUnchecked = renewal === 'later'
    const leaving = far.size === 0 ? [] : whoLeaves(this.present(), far)
    const [isOneself, { isCoordinator }] = [leaving.includes(self), this]
    const follows = this.#bound.judge(leaving.length > 0, { isOneself, isCoordinator }, nowMs)
    // Somebody may not have heard what one has said of it.
    if (this.#bound.isOld(nowMs) && this.#hasToldFar) this.announce(nowMs)
    if (follows === 'dismiss') this.#dismiss(leaving, nowMs)
    else if (follows !== 'wait') this.#fate = follows
  }
}
