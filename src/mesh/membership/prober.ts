/**
 * Probes and indirect probes, one's own and those for others (SWIM, section 3.1), stretched by
 * local health (Lifeguard, section IV.A). Says what to send and how each probe ended; decides
 * nothing about members.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { nothing } from '../nothing.ts'
import type { LocalHealth } from './local-health.ts'
import type { MessageBody } from './messages.ts'
import { type MembershipPreset, membershipLimits } from './presets.ts'
import { ProbeOrder, shuffle } from './probe-order.ts'
import { isGone, type Member, type Roster, type RosterEvent } from './roster.ts'

export type ProbeEffect =
  | { readonly kind: 'send'; readonly to: NodeId; readonly body: MessageBody }
  /** `roundTripMs` only where the target itself answered, to the first ping. */
  | { readonly kind: 'answered'; readonly target: NodeId; readonly roundTripMs?: number }
  | { readonly kind: 'failed'; readonly target: NodeId; readonly incarnation: number }

interface Probe {
  readonly sequence: number
  readonly target: NodeId
  readonly incarnation: number
  readonly sentAtMs: number
  indirectAtMs: number
  deadlineMs: number
  /** Asked for an indirect probe, and not heard of since. Undefined before they are asked. */
  silentProxies: Set<NodeId> | undefined
  hadProxies: boolean
  /** One was stalled meanwhile: how long the answer took says nothing of the way. */
  isStalled: boolean
}

export interface RelayRequest {
  readonly asker: NodeId
  readonly askersSequence: number
  readonly target: NodeId
}

interface Relay extends RelayRequest {
  readonly sequence: number
  nackAtMs: number
  deadlineMs: number
}

export interface ProberModules {
  readonly random: Random
  readonly health: LocalHealth
  readonly roster: Roster
}

/**
 * A probe may go this share of its interval early, where its member is awake anyway. A tick of load
 * each 1.5 s and a probe each 3,050 ms so fall together within seconds: one wake in place of two.
 */
const earlyShare = 0.1
/** Looks at once: where many fall silent together it is a partition, or oneself. */
const probesAtOnceMax = 4

export class Prober {
  readonly #preset: MembershipPreset
  readonly #modules: ProberModules
  readonly #order: ProbeOrder
  /** Under way: one or two. A map that is emptied again and again makes itself anew each time. */
  #probes: Probe[] = []
  readonly #relays = new Map<number, Relay>()
  #nextProbeAtMs: number
  /** Suspects that were looked at out of turn since the last turn: some, and each once. */
  readonly #looked = new Set<NodeId>()

  constructor(preset: MembershipPreset, modules: ProberModules, nowMs: number) {
    this.#preset = preset
    this.#modules = modules
    this.#order = new ProbeOrder(modules.random)
    // Members that start together do not probe in step.
    this.#nextProbeAtMs = nowMs + modules.random.below(preset.probeIntervalMs)
  }

  /** From then on a probe may go, where its member is awake. */
  get nextTurnMs(): number {
    return this.#nextProbeAtMs - earlyShare * this.#preset.probeIntervalMs
  }

  get nextDueMs(): number {
    let next = this.#order.isEmpty ? Number.POSITIVE_INFINITY : this.#nextProbeAtMs
    if (this.#probes.length > 0) next = Math.min(next, this.#nextProbesDueMs())
    if (this.#relays.size === 0) return next // nearly always, and asked at every step
    for (const { nackAtMs, deadlineMs } of this.#relays.values()) {
      next = Math.min(next, nackAtMs, deadlineMs)
    }
    return next
  }

  #nextProbesDueMs(): number {
    let next = Number.POSITIVE_INFINITY
    for (const probe of this.#probes) {
      const due = probe.silentProxies === undefined ? probe.indirectAtMs : probe.deadlineMs
      if (due < next) next = due
    }
    return next
  }

  /** What has become of whom: who is new is probed too, who is gone is not any more. */
  note(event: RosterEvent, nowMs: number): readonly ProbeEffect[] {
    const { id, kind } = event
    if (kind === 'joined' || kind === 'returned') this.#order.add(id)
    else if (kind === 'suspected') return this.#mayLookAt(id, nowMs)
    else if (isGone(event)) this.#remove(id)
    return nothing
  }

  #remove(id: NodeId): void {
    this.#order.remove(id)
    this.#probes = this.#probes.filter(({ target }) => target !== id)
  }

  /**
   * Some members look for themselves, out of turn: so a suspicion is confirmed, or is not, within a
   * probe's time, however seldom one's turn comes.
   */
  #mayLookAt(id: NodeId, nowMs: number): readonly ProbeEffect[] {
    const { suspectProbers } = this.#preset
    if (suspectProbers === 0) return nothing
    const { random, roster } = this.#modules
    if (random.below(roster.clusterSize) >= suspectProbers) return nothing
    if (this.#looked.size >= probesAtOnceMax || this.#looked.has(id)) {
      this.#order.hasten(id)
      return nothing
    }
    this.#looked.add(id)
    return this.lookAt(id, nowMs)
  }

  /** The process slept: nobody else is to blame for what it did not hear meanwhile. */
  postpone(byMs: number): void {
    for (const probe of this.#probes) {
      probe.isStalled = true
      probe.indirectAtMs += byMs
      probe.deadlineMs += byMs
    }
  }

  tick(nowMs: number): readonly ProbeEffect[] {
    const isTurn = nowMs >= this.nextTurnMs
    if (!isTurn && nowMs < this.nextDueMs) return nothing
    const effects: ProbeEffect[] = []
    if (this.#probes.length > 0) {
      for (const probe of this.#probes.slice()) this.#advance(probe, nowMs, effects)
    }
    if (this.#relays.size > 0) {
      for (const relay of this.#relays.values()) this.#advanceRelay(relay, nowMs, effects)
    }
    if (isTurn) this.#begin(nowMs, effects)
    return effects
  }

  /** Asked to probe for another member. */
  relay(request: RelayRequest, nowMs: number): ProbeEffect[] {
    const { relaysMax, relaysPerAskerMax } = membershipLimits
    if (this.#relays.size >= relaysMax) return []
    if (this.#relaysFor(request.asker) >= relaysPerAskerMax) return []
    const sequence = this.#takeSequence()
    const nackAtMs = nowMs + this.#preset.nackAfterMs
    const deadlineMs = nowMs + this.#preset.probeDeadlineMs
    this.#relays.set(sequence, { ...request, sequence, nackAtMs, deadlineMs })
    return [{ kind: 'send', to: request.target, body: { kind: 'ping', sequence } }]
  }

  /** At once, out of turn: there is a reason. */
  lookAt(id: NodeId, nowMs: number): readonly ProbeEffect[] {
    const member = this.#modules.roster.get(id)
    if (member === undefined || this.#isAsked(id)) return nothing
    if (this.#probes.length < probesAtOnceMax) return [this.#ask(member, nowMs)]
    this.#order.hasten(id)
    return nothing
  }

  acknowledged(from: NodeId, sequence: number, nowMs: number): ProbeEffect[] {
    const relay = this.#relays.get(sequence)
    if (relay !== undefined && relay.target === from) {
      this.#relays.delete(sequence)
      const body: MessageBody = { kind: 'ack', sequence: relay.askersSequence }
      return [{ kind: 'send', to: relay.asker, body }]
    }
    const probe = this.#probe(sequence)
    if (probe === undefined) return []
    const isDirect = probe.target === from
    if (!isDirect && probe.silentProxies?.has(from) !== true) return []
    this.#end(probe)
    this.#modules.health.better()
    if (!isDirect) return [{ kind: 'answered', target: probe.target }]
    this.#modules.roster.noteAnswer(from)
    if (probe.isStalled) return []
    return [{ kind: 'answered', target: probe.target, roundTripMs: nowMs - probe.sentAtMs }]
  }

  refused(from: NodeId, sequence: number): void {
    this.#probe(sequence)?.silentProxies?.delete(from)
  }

  #probe(sequence: number): Probe | undefined {
    for (const probe of this.#probes) if (probe.sequence === sequence) return probe
    return undefined
  }

  #end(probe: Probe): void {
    const place = this.#probes.indexOf(probe)
    if (place >= 0) this.#probes.splice(place, 1)
  }

  /**
   * Who is slow probes as much less often as its probes take longer (Lifeguard, section IV.A).
   * Where probes are seldom anyway, that is for as long as one takes: after a partition all are
   * slow, and with nine times three seconds nobody would notice a crash.
   */
  get #intervalMs(): number {
    const { probeDeadlineMs, probeIntervalMs } = this.#preset
    const shortestMs = Math.min(probeIntervalMs, probeDeadlineMs)
    return Math.max(probeIntervalMs, shortestMs * this.#modules.health.factor)
  }

  #begin(nowMs: number, effects: ProbeEffect[]): void {
    this.#nextProbeAtMs = nowMs + this.#intervalMs
    this.#looked.clear()
    const target = this.#order.next()
    const member = target === undefined ? undefined : this.#modules.roster.get(target)
    if (member === undefined || this.#isAsked(member.id)) return
    effects.push(this.#ask(member, nowMs))
  }

  #isAsked(id: NodeId): boolean {
    return this.#probes.some(({ target }) => target === id)
  }

  #ask({ alive, id: target }: Member, nowMs: number): ProbeEffect {
    const { probeTimeoutMs, probeDeadlineMs } = this.#preset
    const { factor } = this.#modules.health
    const sequence = this.#takeSequence()
    this.#probes.push({
      sequence,
      target,
      incarnation: alive.incarnation,
      sentAtMs: nowMs,
      indirectAtMs: nowMs + probeTimeoutMs * factor,
      deadlineMs: nowMs + probeDeadlineMs * factor,
      silentProxies: undefined,
      hadProxies: false,
      isStalled: false,
    })
    return { kind: 'send', to: target, body: { kind: 'ping', sequence } }
  }

  #advance(probe: Probe, nowMs: number, effects: ProbeEffect[]): void {
    const { sequence, target, incarnation } = probe
    if (probe.silentProxies === undefined && nowMs >= probe.indirectAtMs) {
      const proxies = this.#chooseProxies(target)
      probe.silentProxies = new Set(proxies)
      probe.hadProxies = proxies.length > 0
      const body: MessageBody = { kind: 'ping-request', sequence, target }
      for (const to of proxies) effects.push({ kind: 'send', to, body })
    }
    if (nowMs < probe.deadlineMs) return
    this.#end(probe)
    // As memberlist has it: where proxies said that they too have no answer, it is not our fault.
    this.#modules.health.worse(probe.hadProxies ? (probe.silentProxies?.size ?? 0) : 1)
    effects.push({ kind: 'failed', target, incarnation })
  }

  #advanceRelay(relay: Relay, nowMs: number, effects: ProbeEffect[]): void {
    if (nowMs >= relay.nackAtMs) {
      relay.nackAtMs = Number.POSITIVE_INFINITY
      const body: MessageBody = { kind: 'nack', sequence: relay.askersSequence }
      effects.push({ kind: 'send', to: relay.asker, body })
    }
    if (nowMs >= relay.deadlineMs) this.#relays.delete(relay.sequence)
  }

  #chooseProxies(target: NodeId): NodeId[] {
    const eligible: NodeId[] = []
    for (const { id, suspicion } of this.#modules.roster.members()) {
      if (id !== target && suspicion === undefined) eligible.push(id)
    }
    shuffle(eligible, this.#modules.random)
    return eligible.slice(0, this.#preset.indirectProbes)
  }

  #relaysFor(asker: NodeId): number {
    let count = 0
    for (const relay of this.#relays.values()) if (relay.asker === asker) count += 1
    return count
  }

  /** Drawn, not counted: who answered before it was asked would seem to be no way off. */
  #takeSequence(): number {
    for (;;) {
      const sequence = this.#modules.random.below(2 ** 32)
      if (this.#probe(sequence) === undefined && !this.#relays.has(sequence)) return sequence
    }
  }
}
