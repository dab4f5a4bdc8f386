/**
 * SWIM membership with Lifeguard as one state machine: `step(input, now)` says what to send, what
 * has become of whom, and when to be woken. It reads no clock, opens no socket and holds no timer.
 *
 * `now` is monotonic, in ms. Messages come from authenticated peers: `from` is whose connection it
 * is. What they say of third parties counts by its own signature, whoever brings it.
 */
import type { NodeId } from '../../protocol/index.ts'
import { Outbox } from '../outbox.ts'
import { LocalHealth } from './local-health.ts'
import { isOversized, type MemberSummary, type Message } from './messages.ts'
import { joinSyncsMax, type MembershipPreset, membershipLimits } from './presets.ts'
import { drawn } from './probe-order.ts'
import { type ProbeEffect, Prober, type RelayRequest } from './prober.ts'
import { accusedElsewhere, difference } from './push-pull.ts'
import { PushPullTimes } from './push-pull-times.ts'
import { isOutdated, needsAnswer, TwinWatch } from './refutation.ts'
import { Roster, type RosterEvent } from './roster.ts'
import type { AliveStatement, Statement } from './statements.ts'
import {
  isBarePing,
  type MembershipEvent,
  type MembershipInput,
  type MembershipModules,
  type MembershipOptions,
  type MembershipOutputs,
  type RejectionFault,
  type Send,
} from './step.ts'
import { Voice } from './voice.ts'

const out = new Outbox<Send, MembershipEvent>()

export class Membership {
  readonly #options: MembershipOptions
  readonly #preset: MembershipPreset
  readonly #modules: MembershipModules
  readonly #health: LocalHealth
  readonly #roster: Roster
  readonly #prober: Prober
  readonly #pushPulls: PushPullTimes
  readonly #voice: Voice
  readonly #twins = new TwinWatch()
  /** What is being heard accuses this member, who has refuted it since. */
  #isBearerBehind = false
  #phase: 'running' | 'leaving' | 'departed' = 'running'
  #wakeAtMs = Number.POSITIVE_INFINITY
  #dueMs = Number.NEGATIVE_INFINITY
  #gossipAtMs: number
  #renewAtMs: number
  #departAtMs = Number.POSITIVE_INFINITY
  /** As it leaves. */
  #farewell: Statement | undefined

  constructor(options: MembershipOptions, modules: MembershipModules, nowMs: number) {
    const { self, incarnation, payload, preset } = options
    this.#options = options
    this.#preset = preset
    this.#modules = modules
    this.#health = new LocalHealth(preset.mechanisms.localHealth ? preset.localHealthMax : 0)
    this.#roster = new Roster(self, preset, modules)
    const { random } = modules
    const roster = this.#roster
    this.#prober = new Prober(preset, { random, health: this.#health, roster }, nowMs)
    this.#pushPulls = new PushPullTimes(preset, { random, roster }, nowMs)
    const own = modules.sign({ kind: 'alive', subject: self, incarnation, payload })
    this.#voice = new Voice(own, { out, preset, roster })
    this.#gossipAtMs = nowMs
    this.#renewAtMs = nowMs + preset.renewIntervalMs
  }

  get incarnation(): number {
    return this.#voice.own.incarnation
  }

  /** 0 is healthy. */
  get localHealth(): number {
    return this.#health.score
  }

  /** Until then a tick finds nothing to do. It may be before one is woken for it. */
  get dueMs(): number {
    return this.#dueMs
  }

  /** Everyone else who is known, the dead and those who left included. */
  members(): readonly MemberSummary[] {
    return this.#roster.summary()
  }

  /** What the member said of itself, as long as it is not dead. */
  aliveStatement(id: NodeId): AliveStatement | undefined {
    return this.#roster.get(id)?.alive
  }

  step(input: MembershipInput, nowMs: number): MembershipOutputs {
    out.clear()
    if (this.#phase !== 'departed') {
      this.#excuseOwnSleep(nowMs)
      this.#take(input, nowMs)
      if (!isBarePing(input)) this.#look()
      // Never in the past, or the next step would take it for a sleep of one's own.
      this.#wakeAtMs = Math.max(nowMs, this.#wakeAtMs)
    }
    return out.take(this.#wakeAtMs)
  }

  #take(input: MembershipInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        this.#tick(nowMs)
        return
      case 'message':
        this.#hear(input.from, input.message, nowMs)
        return
      case 'join':
        this.#join(input.seeds.slice(0, membershipLimits.seedsMax), nowMs)
        return
      case 'update':
        this.#renew(input.payload, nowMs)
        return
      case 'silent':
        this.#perform(this.#prober.lookAt(input.id, nowMs), nowMs)
        return
      case 'leave':
        this.#leave(nowMs)
    }
  }

  /** Woken late, one was stalled itself; what it has not heard meanwhile says nothing. */
  #excuseOwnSleep(nowMs: number): void {
    const lateMs = nowMs - this.#wakeAtMs
    const { mechanisms, stallToleranceMs } = this.#preset
    if (!mechanisms.stallGuard || lateMs <= stallToleranceMs) return
    this.#prober.postpone(lateMs)
    this.#roster.postpone(lateMs)
    this.#health.worse(1)
  }

  /** For what there is to do next. */
  #look(): void {
    this.#wakeAtMs = this.#nextWakeMs()
    this.#dueMs = this.#wakeAtMs
    if (this.#phase !== 'running') return
    const { dead } = this.#roster
    this.#dueMs = Math.min(this.#wakeAtMs, this.#prober.nextTurnMs, dead.expireAtMs)
  }

  #nextWakeMs(): number {
    if (this.#phase === 'departed') return Number.POSITIVE_INFINITY
    const gossipAtMs = this.#voice.news.isEmpty ? Number.POSITIVE_INFINITY : this.#gossipAtMs
    if (this.#phase === 'leaving') return Math.min(gossipAtMs, this.#departAtMs)
    return Math.min(
      gossipAtMs,
      this.#prober.nextDueMs,
      this.#roster.nextDeadlineMs,
      this.#pushPulls.nextDueMs,
      this.#renewAtMs,
    )
  }

  #join(seeds: readonly NodeId[], nowMs: number): void {
    // Each would answer with all that it knows, which is the same.
    for (const id of drawn(seeds, joinSyncsMax, this.#modules.random)) this.#sendSync(id)
    this.#pushPulls.join(seeds, nowMs)
  }

  #tick(nowMs: number): void {
    if (this.#phase === 'running') {
      this.#perform(this.#prober.tick(nowMs), nowMs)
      this.#buryOverdue(nowMs)
      if (nowMs >= this.#renewAtMs) this.#renew(this.#voice.own.payload, nowMs)
      for (const id of this.#pushPulls.due(nowMs)) this.#sendSync(id)
      this.#roster.dead.expire(nowMs)
    }
    if (nowMs >= this.#gossipAtMs && !this.#voice.news.isEmpty) this.#gossip(nowMs)
    if (nowMs >= this.#departAtMs) {
      this.#phase = 'departed'
      out.note({ kind: 'departed' })
    }
  }

  #hear(from: NodeId, message: Message, nowMs: number): void {
    if (isOversized(message)) {
      this.#reject(from, 'oversized-message')
      return
    }
    this.#isBearerBehind = false
    for (const statement of message.news) if (!this.#learn(from, statement, nowMs)) return
    if (this.#isBearerBehind && this.#roster.knows(from)) this.#voice.tell(from, this.#voice.own)
    switch (message.kind) {
      case 'ping':
        this.#voice.send(from, { kind: 'ack', sequence: message.sequence })
        return
      case 'ping-request':
        this.#relay(
          { asker: from, askersSequence: message.sequence, target: message.target },
          nowMs,
        )
        return
      case 'ack':
        this.#perform(this.#prober.acknowledged(from, message.sequence, nowMs), nowMs)
        return
      case 'nack':
        this.#prober.refused(from, message.sequence)
        return
      case 'gossip':
        this.#answerDead(from, nowMs)
        return
      case 'sync':
        this.#answerSync(from, message.summary)
        return
      case 'sync-reply':
        this.#tellAccused(from, message.news)
        if (message.wants.length > 0 && this.#roster.knows(from)) {
          this.#voice.statements(from, message.wants, [])
        }
    }
  }

  /**
   * Whoever came back told it to all, but gossip reaches nearly all. One who is not asked, and does
   * not ask, would count as dead here until the next push-pull.
   */
  #answerDead(from: NodeId, nowMs: number): void {
    if (this.#phase !== 'running') return
    const everyMs = this.#preset.reunionMs
    if (this.#roster.dead.takeWord(from, { nowMs, everyMs })) this.#voice.remind(from)
  }

  /** For a member, and of a member: nobody is made to ping strangers. */
  #relay(request: RelayRequest, nowMs: number): void {
    const { asker, target } = request
    if (this.#roster.get(asker) === undefined || this.#roster.get(target) === undefined) return
    this.#perform(this.#prober.relay(request, nowMs), nowMs)
  }

  /** @returns whether to hear more of it: an honest bearer forges nothing */
  #learn(from: NodeId, statement: Statement, nowMs: number): boolean {
    if (statement.subject === this.#options.self) return this.#hearOfSelf(from, statement, nowMs)
    const merge = this.#roster.merge(statement, nowMs)
    if (merge.outcome === 'rejected') {
      this.#reject(from, merge.fault)
      return merge.fault !== 'forged'
    }
    if (merge.outcome !== 'merged') return true
    this.#voice.news.add(statement, merge.event?.kind === 'refuted')
    if (merge.displaced !== undefined) this.#note(merge.displaced, nowMs)
    if (merge.isPressing && this.#preset.mechanisms.buddy)
      this.#voice.tell(statement.subject, statement)
    if (merge.event === undefined) return true
    this.#note(merge.event, nowMs)
    if (merge.event.kind === 'returned' && merge.event.id === from) {
      this.#pushPulls.reunite(from, nowMs)
    }
    return true
  }

  /**
   * Each side of a healed partition holds the other for dead, and believes none of its accusers.
   * So whoever is accused over there hears it from here, and refutes.
   */
  #tellAccused(from: NodeId, news: readonly Statement[]): void {
    for (const statement of accusedElsewhere(news, this.#roster)) {
      if (this.#modules.verify(statement) === 'forged') {
        this.#reject(from, 'forged')
        return
      }
      this.#voice.tell(statement.subject, statement)
    }
  }

  /** @returns as `#learn` does */
  #hearOfSelf(from: NodeId, statement: Statement, nowMs: number): boolean {
    if (this.#phase !== 'running') return true
    if (isOutdated(statement, this.#voice.own.incarnation)) this.#isBearerBehind = true
    if (!needsAnswer(statement, this.#voice.own.incarnation, this.#roster)) return true
    if (this.#modules.verify(statement) === 'forged') {
      this.#reject(from, 'forged')
      return false
    }
    this.#renew(this.#voice.own.payload, nowMs, statement.incarnation + 1)
    if (this.#twins.outdone(statement)) out.note({ kind: 'twin' })
    if (!('accuser' in statement)) return true
    this.#voice.tell(from, this.#voice.own) // at once, even if it is dead here
    // Cut off is not slow: what one says from beyond a partition tells nothing of one's own pace.
    if (this.#roster.isFromHere(statement)) this.#health.accused(statement.accuser, nowMs)
    out.note({ kind: 'self-refuted', incarnation: this.#voice.own.incarnation })
    return true
  }

  #renew(payload: Uint8Array, nowMs: number, incarnation = this.#voice.own.incarnation + 1): void {
    this.#renewAtMs = nowMs + this.#preset.renewIntervalMs
    if (this.#phase !== 'running' || !Number.isSafeInteger(incarnation)) return
    const subject = this.#options.self
    this.#voice.own = this.#modules.sign({ kind: 'alive', subject, incarnation, payload })
    this.#voice.news.add(this.#voice.own, true)
  }

  #perform(effects: readonly ProbeEffect[], nowMs: number): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.#voice.send(effect.to, effect.body)
      else if (effect.kind === 'answered' && effect.roundTripMs !== undefined) {
        out.note({ kind: 'round-trip', id: effect.target, ms: effect.roundTripMs })
      } else out.note({ kind: 'unanswered', id: effect.target })
      if (effect.kind === 'failed') this.#accuse(effect.target, effect.incarnation, nowMs)
    }
  }

  #accuse(subject: NodeId, incarnation: number, nowMs: number): void {
    const known = this.#roster.get(subject)
    if (known === undefined || known.alive.incarnation !== incarnation) return
    const accuser = this.#options.self
    if (known.suspicion?.accusations.some((said) => said.accuser === accuser)) return
    const accusation = this.#modules.sign({ kind: 'suspect', subject, incarnation, accuser })
    const merge = this.#roster.accuse(accusation, nowMs)
    if (merge.outcome !== 'merged') return
    this.#voice.news.add(accusation)
    if (merge.event !== undefined) this.#note(merge.event, nowMs)
  }

  #buryOverdue(nowMs: number): void {
    for (const accusation of this.#roster.reminders(nowMs)) {
      if (this.#preset.mechanisms.buddy) this.#voice.tell(accusation.subject, accusation)
    }
    for (const member of this.#roster.overdue(nowMs)) {
      const { id: subject, alive } = member
      const accuser = this.#options.self
      const { incarnation } = alive
      const verdict = this.#modules.sign({ kind: 'dead', subject, incarnation, accuser })
      this.#voice.news.add(verdict)
      this.#note(this.#roster.bury(member, verdict, nowMs), nowMs)
    }
  }

  #note(event: RosterEvent, nowMs: number): void {
    out.note(event)
    if (event.kind === 'died') this.#pushPulls.miss(nowMs)
    if (this.#gossipAtMs === Number.POSITIVE_INFINITY) this.#gossipAtMs = nowMs
    this.#perform(this.#prober.note(event, nowMs), nowMs)
  }

  #reject(from: NodeId, fault: RejectionFault): void {
    out.note({ kind: 'rejected', from, fault })
  }

  #gossip(nowMs: number): void {
    const { gossipFanout, gossipIntervalMs } = this.#preset
    const listeners = this.#roster.listeners(nowMs, gossipFanout, this.#modules.random)
    const everyMs = this.#voice.news.haste * gossipIntervalMs
    // Alone, one waits until there is somebody again.
    this.#gossipAtMs = listeners.length === 0 ? Number.POSITIVE_INFINITY : nowMs + everyMs
    for (const to of listeners) {
      if (!this.#voice.news.isEmpty) this.#voice.send(to, { kind: 'gossip' })
    }
  }

  #sendSync(to: NodeId): void {
    if (to === this.#options.self || this.#phase !== 'running') return
    this.#voice.sync(to)
  }

  /** Tells what the other lacks, and asks for what it is ahead in. To members only: it is long. */
  #answerSync(from: NodeId, theirs: readonly MemberSummary[]): void {
    if (!this.#roster.knows(from)) return
    if (this.#farewell !== undefined) {
      this.#voice.tell(from, this.#farewell)
      return
    }
    const { ahead, wants } = difference(theirs, this.#roster.summaryWith(this.#voice.own))
    if (ahead.length > 0 || wants.length > 0) this.#voice.statements(from, ahead, wants)
  }

  #leave(nowMs: number): void {
    if (this.#phase !== 'running') return
    const { incarnation, subject } = this.#voice.own
    this.#phase = 'leaving'
    this.#voice.isLeaving = true
    this.#voice.news.clear()
    const farewell = this.#modules.sign({ kind: 'left', subject, incarnation })
    this.#farewell = farewell
    this.#voice.news.add(farewell)
    // To each: of those whom gossip alone reaches, one in thousands would go on counting it in.
    for (const { id } of this.#roster.members()) this.#voice.tell(id, farewell)
    this.#gossipAtMs = nowMs
    this.#departAtMs = nowMs + this.#preset.leaveMs
  }
}
