/**
 * The search for a better cluster: its roster is fetched from a near member, its members are
 * measured, likeliest violators first, and it is given up as soon as the bound cannot hold. Then
 * its coordinator is asked. What coordinates and witnesses propose, measurement decides.
 */
import type { NodeId } from '../../protocol/index.ts'
import type { Card, Trip } from '../directory/card.ts'
import { isWellFormedRoster, type Roster, type Standing, seatOf } from './claims.ts'
import { around, type ClusterContext } from './context.ts'
import { countFar, farAdmitted } from './fit.ts'
import { clusterLimits, clusterTimes } from './limits.ts'
import type { MessageOf } from './messages.ts'
import { isBetter, type Proposal, propose, rank, type Standpoint, unexplored } from './proposals.ts'
import { Refusals } from './refusals.ts'

interface Attempt {
  readonly cluster: string
  contact: NodeId
  phase: 'fetching' | 'measuring' | 'asking'
  dueMs: number
  asks: number
  roster: Roster | undefined
  /** Far pairs of the cluster without oneself. */
  farInside: number
  queue: NodeId[]
  measuring: NodeId | undefined
  /** Did not answer, or said to be in another cluster. */
  readonly missing: Set<NodeId>
  /** To where one was in an earlier life: it need not be better than to be alone. */
  readonly isReturn: boolean
}

export interface Admission {
  readonly roster: Roster
  readonly standings: readonly Standing[]
  readonly coordinator: NodeId
}

export class Search {
  readonly #context: ClusterContext
  readonly #refusals = new Refusals()
  #attempt: Attempt | undefined
  #admission: Admission | undefined
  #seekAtMs: number
  #exploreAtMs: number
  #refillAtMs: number
  #explorations: number = clusterLimits.explorations
  /** Members of the cluster of an earlier life who were not asked yet. */
  #former: { readonly cluster: string; readonly contacts: NodeId[] } | undefined

  constructor(context: ClusterContext, nowMs: number) {
    this.#context = context
    this.#seekAtMs = nowMs + clusterTimes.witnessesSettleMs
    this.#exploreAtMs = this.#seekAtMs
    this.#refillAtMs = nowMs + clusterTimes.exploreRefillMs
  }

  get nextDueMs(): number {
    return Math.min(this.#seekAtMs, this.#exploreAtMs, this.#attempt?.dueMs ?? this.#seekAtMs)
  }

  get isTrying(): boolean {
    return this.#attempt !== undefined
  }

  /** One has been admitted; given once. */
  takeAdmission(): Admission | undefined {
    const admission = this.#admission
    this.#admission = undefined
    return admission
  }

  /** One's place is another now. */
  moved(nowMs: number, isAlone: boolean): void {
    this.#attempt = undefined
    this.#admission = undefined
    this.#former = undefined
    const { seekAloneMs, dwellMs } = clusterTimes
    this.#seekAtMs = nowMs + around(isAlone ? seekAloneMs : dwellMs, this.#context.random)
  }

  /** The cluster did not fit any more, or its coordinator is not to be trusted. */
  avoid(cluster: string, nowMs: number, forMs?: number): void {
    this.#refusals.add(cluster, nowMs, forMs)
  }

  /** Into the cluster of an earlier life, as soon as one of these answers. */
  comeBack(cluster: string, contacts: readonly NodeId[], nowMs: number): void {
    this.#former = { cluster, contacts: [...contacts] }
    this.#askFormer(nowMs)
  }

  /** @param mayMove whether one's present cluster holds its bound without oneself */
  tick(standpoint: Standpoint, mayMove: () => boolean, nowMs: number): void {
    if (nowMs >= this.#exploreAtMs) this.#explore(standpoint, nowMs)
    if (this.#attempt !== undefined && nowMs >= this.#attempt.dueMs) this.#retry(nowMs)
    if (nowMs < this.#seekAtMs) return
    this.#seekAtMs = nowMs + around(this.#everyMs(standpoint.size), this.#context.random)
    if (this.#attempt !== undefined || !mayMove()) return
    const proposal = propose(standpoint, (cluster) => this.#refusals.isRefused(cluster, nowMs))
    if (proposal !== undefined) this.#begin(proposal, nowMs, clusterTimes.replyTimeoutMs)
  }

  #everyMs(size: number): number {
    const { seekAloneMs, seekSmallMs, seekMs } = clusterTimes
    if (size === 1) return seekAloneMs
    return size < clusterLimits.exploreBelow ? seekSmallMs : seekMs
  }

  #explore(standpoint: Standpoint, nowMs: number): void {
    const { random, rules } = this.#context
    if (nowMs >= this.#refillAtMs) {
      this.#refillAtMs = nowMs + clusterTimes.exploreRefillMs
      this.#explorations = Math.min(clusterLimits.explorations, this.#explorations + 1)
    }
    const isSatisfied = standpoint.size >= clusterLimits.exploreBelow
    const id =
      isSatisfied || this.#explorations < 1
        ? undefined
        : unexplored(standpoint, rules.boundMs, nowMs)
    const pauseMs = id === undefined ? clusterTimes.seekSmallMs : clusterTimes.exploreEveryMs
    this.#exploreAtMs = nowMs + around(pauseMs, random)
    if (id === undefined || !this.#context.measure(id)) return
    this.#explorations -= 1
  }

  #askFormer(nowMs: number): void {
    const contact = this.#former?.contacts.shift()
    if (this.#former === undefined || contact === undefined) return
    this.#begin({ cluster: this.#former.cluster, contact }, nowMs, clusterTimes.probeTimeoutMs)
  }

  #begin({ cluster, contact }: Proposal, nowMs: number, patienceMs: number): void {
    this.#attempt = {
      cluster,
      contact,
      isReturn: cluster === this.#former?.cluster,
      phase: 'fetching',
      dueMs: nowMs + patienceMs,
      asks: 0,
      roster: undefined,
      farInside: 0,
      queue: [],
      measuring: undefined,
      missing: new Set(),
    }
    const card = this.#context.ownCard()
    this.#context.send(contact, { kind: 'roster-wanted', cluster, card })
  }

  /** @returns whether it was asked for */
  takeRoster(from: NodeId, message: MessageOf<'roster'>, nowMs: number): boolean {
    const attempt = this.#attempt
    if (attempt?.phase !== 'fetching' || from !== attempt.contact) return false
    if (message.roster.cluster !== attempt.cluster) {
      this.#giveUp(nowMs) // the contact has moved; its new card will say so
    } else if (this.#isGood(from, message.roster)) {
      attempt.contact = message.coordinator
      this.#plan(attempt, message, nowMs)
    }
    return true
  }

  takeAnswer(from: NodeId, message: MessageOf<'answer'>, nowMs: number): void {
    const attempt = this.#attempt
    const { verdict, roster, standings, coordinator, cluster } = message
    if (attempt?.phase !== 'asking' || from !== attempt.contact || cluster !== attempt.cluster)
      return
    if (verdict === 'full' || verdict === 'too-far') {
      this.#giveUp(nowMs)
      return
    }
    if (roster.cluster !== cluster) {
      this.#giveUp(nowMs)
      return
    }
    if (!this.#isGood(from, roster)) return
    if (verdict === 'admitted') {
      const { self } = this.#context
      const epoch = this.#context.ownCard().epoch + 1
      if (seatOf(roster, self)?.epoch !== epoch || roster.coordinator !== from) return
      this.#admission = { roster, standings, coordinator }
      return
    }
    attempt.contact = coordinator
    this.#plan(attempt, { roster, standings, cards: [] }, nowMs)
  }

  /** A probe is over. */
  measured(id: NodeId, isHeard: boolean, nowMs: number): void {
    const attempt = this.#attempt
    if (attempt === undefined || attempt.measuring !== id) return
    attempt.measuring = undefined
    if (!isHeard) attempt.missing.add(id)
    this.#measureNext(attempt, nowMs)
  }

  /** It says itself that it is in another cluster than its roster says. */
  disowned(id: NodeId, cluster: string): void {
    if (this.#attempt?.measuring === id && cluster !== this.#attempt.cluster) {
      this.#attempt.missing.add(id)
    }
  }

  #plan(
    attempt: Attempt,
    known: {
      readonly roster: Roster
      readonly standings: readonly Standing[]
      readonly cards: readonly Card[]
    },
    nowMs: number,
  ): void {
    const { trips, rules, seal } = this.#context
    const { roster, standings, cards } = known
    const own = this.#context.ownCard()
    // One's own seat is of an earlier life.
    const seats = roster.seats.filter(({ id }) => id !== this.#context.self)
    const size = seats.length
    const alone = { cluster: own.cluster, size: this.#context.ownSize() }
    const isWorthIt = attempt.isReturn || isBetter({ cluster: roster.cluster, size }, alone)
    if (size >= rules.membersMax || !isWorthIt) {
      this.#giveUp(nowMs)
      return
    }
    attempt.roster = roster
    const ids = seats.map(({ id }) => id)
    attempt.farInside = countFar(ids, new Map(standings.map(({ id, far }) => [id, far])))
    const unmeasured = ids.filter((id) => !trips.has(id))
    const shown = new Map(cards.map((card) => [card.id, card]))
    const cardOf = (id: NodeId) => {
      const held = this.#context.cardOf(id)
      if (held !== undefined) return held
      const card = shown.get(id)
      return card !== undefined && seal.verify(card) === 'valid' ? card : undefined
    }
    const { order, doubts } = rank(unmeasured, own, { boundMs: rules.boundMs, cardOf })
    attempt.queue = [...order]
    attempt.phase = 'measuring'
    const allowed = farAdmitted(size) + Math.ceil(clusterLimits.doubtsShare * size)
    if (this.#farOf(attempt) + doubts > allowed) this.#giveUp(nowMs)
    else this.#measureNext(attempt, nowMs)
  }

  #farOf({ roster, farInside, missing }: Attempt): number {
    let far = farInside
    for (const { id } of roster?.seats ?? []) {
      if (!missing.has(id) && this.#context.trips.isFar(id)) far += 1
    }
    return far
  }

  #measureNext(attempt: Attempt, nowMs: number): void {
    const { rules, trips } = this.#context
    const size = attempt.roster?.seats.length ?? 0
    // At first only those who answer at once: who was lost in the meantime need not be waited for.
    const isHasty = attempt.isReturn && attempt.asks === 0
    attempt.dueMs = nowMs + (isHasty ? hastyMs + rules.boundMs : measuringMs)
    if (this.#farOf(attempt) > farAdmitted(size - attempt.missing.size)) {
      this.#giveUp(nowMs)
      return
    }
    for (;;) {
      const id = attempt.queue.shift()
      if (id === undefined) break
      if (trips.has(id)) continue
      attempt.measuring = id
      if (!this.#context.measure(id)) attempt.queue.unshift(id) // busy: tried again when due
      return
    }
    this.#ask(attempt, nowMs)
  }

  #ask(attempt: Attempt, nowMs: number): void {
    const { trips } = this.#context
    attempt.asks += 1
    if (attempt.asks > clusterLimits.asksMax || attempt.roster === undefined) {
      this.#giveUp(nowMs)
      return
    }
    attempt.phase = 'asking'
    attempt.dueMs = nowMs + clusterTimes.replyTimeoutMs
    const { version, cluster, seats } = attempt.roster
    const said: Trip[] = []
    for (const { id } of seats) {
      const ms = trips.ms(id)
      if (ms !== undefined) said.push({ id, ms })
    }
    const card = this.#context.ownCard()
    this.#context.send(attempt.contact, { kind: 'ask', cluster, version, card, trips: said })
  }

  /** The coordinator does not answer: another member will know in a moment who it is then. */
  #askAround(attempt: Attempt, nowMs: number): void {
    const { cluster, contact, missing, roster } = attempt
    const { random, self, trips } = this.#context
    const others: NodeId[] = []
    for (const { id } of roster?.seats ?? []) {
      if (id === self || id === contact || missing.has(id)) continue
      if (trips.has(id)) others.push(id)
    }
    const other = others[random.below(Math.max(1, others.length))]
    if (other === undefined) {
      this.#ask(attempt, nowMs)
      return
    }
    attempt.contact = other
    attempt.phase = 'fetching'
    attempt.dueMs = nowMs + clusterTimes.replyTimeoutMs
    const card = this.#context.ownCard()
    this.#context.send(other, { kind: 'roster-wanted', cluster, card })
  }

  /** Nothing has come for too long. */
  #retry(nowMs: number): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    if (attempt.phase === 'asking') this.#askAround(attempt, nowMs)
    else if (attempt.phase === 'measuring') this.#measureNext(attempt, nowMs)
    else this.#giveUp(nowMs)
  }

  #giveUp(nowMs: number): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    this.#attempt = undefined
    if (attempt.isReturn && attempt.phase === 'fetching') {
      this.#askFormer(nowMs) // another member may still be there
      return
    }
    this.#former = undefined
    this.#refusals.add(attempt.cluster, nowMs)
    // There may be another: soon.
    const soonMs = nowMs + around(clusterTimes.exploreEveryMs, this.#context.random)
    this.#seekAtMs = Math.min(this.#seekAtMs, soonMs)
  }

  #isGood(from: NodeId, roster: Roster): boolean {
    const { rules, seal, reject } = this.#context
    if (!isWellFormedRoster(roster, rules.membersMax)) reject(from, 'malformed')
    else if (seal.verify(roster) === 'forged') reject(from, 'forged')
    else return true
    this.#attempt = undefined
    return false
  }
}

/** All tries of one probe, and some. */
const measuringMs = clusterTimes.probeTimeoutMs * (clusterLimits.probeTries + 1)
/** Dialling takes a few round trips. */
const hastyMs = 250
