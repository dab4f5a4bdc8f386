/**
 * One member of the mesh as one machine: its neighbourhood finds a cluster, membership watches
 * over that cluster, and both tell each other what they learn. Of a cluster that was left, the
 * membership goes on for as long as it takes to say so.
 */
import type { Random } from '../../base/index.ts'
import type {
  NodeId,
  Signed,
  Statement,
  StatementBody,
  Verification,
} from '../../protocol/index.ts'
import type { ClaimSeal } from '../clusters/claims.ts'
import { type ClusterRules, defaultRules } from '../clusters/limits.ts'
import type { NeighbourhoodMessage } from '../clusters/messages.ts'
import {
  Neighbourhood,
  type NeighbourhoodEvent,
  type NeighbourhoodInput,
  type Place,
} from '../clusters/neighbourhood.ts'
import type { Coordinate } from '../coordinates/coordinate.ts'
import type { Card } from '../directory/card.ts'
import { Membership } from '../membership/membership.ts'
import type { Message as MembershipMessage } from '../membership/messages.ts'
import type { MembershipPreset } from '../membership/presets.ts'
import type { MembershipEvent, MembershipInput } from '../membership/step.ts'
import { Outbox } from '../outbox.ts'

export interface MachineOptions {
  readonly self: NodeId
  readonly preset: MembershipPreset
  readonly rules?: ClusterRules
}

export interface MachineSeals {
  readonly claims: ClaimSeal
  sign<Body extends StatementBody>(cluster: string, body: Body): Signed<Body>
  verify(cluster: string, statement: Statement): Verification
  admits(id: NodeId, contact: Uint8Array): boolean
  /** Wall-clock ms since 1970: above those of any earlier life. */
  wallMs(): number
}

export interface MachineModules {
  readonly random: Random
  readonly seals: MachineSeals
  /** What others need to know to reach this member, and its proof of admission. */
  contact(): Uint8Array
  coordinate(): Coordinate
}

/** What one says to another of one subject. */
export interface MachineSend {
  readonly to: NodeId
  readonly part:
    | { readonly kind: 'neighbourhood'; readonly message: NeighbourhoodMessage }
    | {
        readonly kind: 'membership'
        readonly cluster: string
        readonly message: MembershipMessage
      }
}

export type MachineEvent = MembershipEvent | NeighbourhoodEvent

export interface MachineOutputs {
  readonly sends: readonly MachineSend[]
  readonly events: readonly MachineEvent[]
  readonly wakeAtMs: number
}

export type MachineInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'part'; readonly from: NodeId; readonly part: MachineSend['part'] }
  | { readonly kind: 'seeds'; readonly seeds: readonly NodeId[] }
  /** From an earlier life, its own card among them. */
  | {
      readonly kind: 'restore'
      readonly cards: readonly Card[]
      /** Who was in the same cluster, whatever their cards say yet. */
      readonly fellows?: readonly NodeId[]
    }
  /** How one is reached is another now. */
  | { readonly kind: 'contact' }
  /** A member was not heard of lately, and should have been. */
  | { readonly kind: 'silent'; readonly id: NodeId }
  | { readonly kind: 'leave' }

interface Watch {
  readonly cluster: string
  readonly membership: Membership
  wakeAtMs: number
}

/** One moves seldom; what was left before the last is left to its suspicion. */
const departingMax = 2
const farewellsMax = 8

const tick = { kind: 'tick' } as const

/** Whoever asks counts on an answer; who is told something would go on telling it. */
function isQuestion({ kind }: MembershipMessage): boolean {
  return kind === 'ping' || kind === 'sync'
}

const out = new Outbox<MachineSend, MachineEvent>()

export class MeshMachine {
  readonly #options: MachineOptions
  readonly #modules: MachineModules
  readonly #neighbourhood: Neighbourhood
  #neighbourhoodWakeAtMs: number
  #watch: Watch
  #departing: readonly Watch[] = []
  /** What it said last in clusters that it left, the latest last. */
  readonly #farewells = new Map<string, Signed<StatementBody>>()

  constructor(options: MachineOptions, modules: MachineModules, nowMs: number) {
    this.#options = options
    this.#modules = modules
    const { seals, random } = modules
    const { self, rules = defaultRules } = options
    this.#neighbourhood = new Neighbourhood(
      { self, epoch: Math.floor(seals.wallMs()), rules },
      {
        random,
        seal: seals.claims,
        coordinate: () => modules.coordinate(),
        contact: () => modules.contact(),
      },
      nowMs,
    )
    this.#neighbourhoodWakeAtMs = nowMs
    this.#watch = this.#watchOver(this.#neighbourhood.place.cluster, nowMs)
  }

  /** Watches over the cluster that one is in. */
  get membership(): Membership {
    return this.#watch.membership
  }

  get neighbourhood(): Neighbourhood {
    return this.#neighbourhood
  }

  /** Until then a tick finds nothing to do. It may be before one is woken for it. */
  get dueMs(): number {
    let dueMs = Math.min(this.#neighbourhood.dueMs, this.#watch.membership.dueMs)
    for (const { wakeAtMs } of this.#departing) dueMs = Math.min(dueMs, wakeAtMs)
    return dueMs
  }

  step(input: MachineInput, nowMs: number): MachineOutputs {
    out.clear()
    this.#take(input, nowMs)
    if (nowMs >= this.#neighbourhood.dueMs) this.#stepNeighbourhood(tick, nowMs)
    let wakeAtMs = Math.min(this.#neighbourhoodWakeAtMs, this.#watch.wakeAtMs)
    for (const departing of this.#departing) wakeAtMs = Math.min(wakeAtMs, departing.wakeAtMs)
    return out.take(wakeAtMs)
  }

  #take(input: MachineInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        this.#tick(nowMs)
        return
      case 'part':
        this.#hear(input.from, input.part, nowMs)
        return
      case 'seeds':
      case 'restore':
        this.#stepNeighbourhood(input, nowMs)
        return
      case 'contact':
        this.#stepWatch(this.#watch, { kind: 'update', payload: this.#modules.contact() }, nowMs)
        return
      case 'silent':
        this.#stepWatch(this.#watch, input, nowMs)
        return
      case 'leave':
        this.#stepWatch(this.#watch, { kind: 'leave' }, nowMs)
        this.#stepNeighbourhood(input, nowMs)
        return
    }
  }

  /** A probe may go a little early, where one is awake. */
  #tick(nowMs: number): void {
    this.#stepWatch(this.#watch, tick, nowMs)
    for (const departing of this.#departing) {
      if (nowMs >= departing.wakeAtMs) this.#stepWatch(departing, tick, nowMs)
    }
  }

  #hear(from: NodeId, part: MachineSend['part'], nowMs: number): void {
    if (part.kind === 'neighbourhood') {
      this.#stepNeighbourhood({ kind: 'message', from, message: part.message }, nowMs)
      return
    }
    const { cluster, message } = part
    // Of a cluster that one is not in any more, or not yet: nothing of it could be verified.
    const isPresent = this.#watch.cluster === cluster
    const watch = isPresent ? this.#watch : this.#departing.find((one) => one.cluster === cluster)
    if (watch !== undefined) this.#stepWatch(watch, { kind: 'message', from, message }, nowMs)
    else if (isQuestion(message)) this.#sayFarewell(from, cluster)
  }

  /** Whoever has not heard that one left would take one for dead. */
  #sayFarewell(to: NodeId, cluster: string): void {
    const farewell = this.#farewells.get(cluster)
    if (farewell === undefined) return
    const message = { kind: 'gossip', news: [farewell] } as const
    out.send({ to, part: { kind: 'membership', cluster, message } })
  }

  #keepFarewell({ cluster, membership }: Watch): void {
    const { incarnation } = membership
    const left = { kind: 'left', subject: this.#options.self, incarnation } as const
    this.#farewells.set(cluster, this.#modules.seals.sign(cluster, left))
    const first = this.#farewells.keys().next().value
    if (this.#farewells.size > farewellsMax && first !== undefined) this.#farewells.delete(first)
  }

  #stepNeighbourhood(input: NeighbourhoodInput, nowMs: number): void {
    const { sends, events, wakeAtMs } = this.#neighbourhood.step(input, nowMs)
    this.#neighbourhoodWakeAtMs = wakeAtMs
    for (const { to, message } of sends) {
      out.send({ to, part: { kind: 'neighbourhood', message } })
    }
    for (const event of events) {
      out.note(event)
      if (event.kind === 'placed' && event.reason !== 'left') this.#move(event, nowMs)
    }
  }

  #move({ cluster, members }: Place, nowMs: number): void {
    const former = this.#watch
    this.#departing = [former, ...this.#departing].slice(0, departingMax)
    this.#keepFarewell(former)
    this.#farewells.delete(cluster)
    this.#stepWatch(former, { kind: 'leave' }, nowMs)
    this.#watch = this.#watchOver(cluster, nowMs)
    const seeds = members.filter((id) => id !== this.#options.self)
    this.#stepWatch(this.#watch, { kind: 'join', seeds }, nowMs)
  }

  #watchOver(cluster: string, nowMs: number): Watch {
    const { self, preset } = this.#options
    const { random, seals } = this.#modules
    const membership = new Membership(
      {
        self,
        // Above that of every earlier life: nobody can make a member renew itself every ms.
        incarnation: Math.floor(seals.wallMs()),
        payload: this.#modules.contact(),
        preset,
      },
      {
        random,
        sign: (body) => seals.sign(cluster, body),
        verify: (statement) => seals.verify(cluster, statement),
        admits: ({ subject, payload }) => seals.admits(subject, payload),
      },
      nowMs,
    )
    return { cluster, membership, wakeAtMs: nowMs }
  }

  #stepWatch(watch: Watch, input: MembershipInput, nowMs: number): void {
    const { cluster, membership } = watch
    const { sends, events, wakeAtMs } = membership.step(input, nowMs)
    watch.wakeAtMs = wakeAtMs
    for (const { to, message } of sends) {
      out.send({ to, part: { kind: 'membership', cluster, message } })
    }
    const isPresent = watch === this.#watch
    for (const event of events) {
      if (event.kind === 'departed') {
        this.#departing = this.#departing.filter((one) => one !== watch)
      }
      if (!isPresent) continue
      out.note(event)
      this.#tellNeighbourhood(event, nowMs)
    }
  }

  #tellNeighbourhood(event: MembershipEvent, nowMs: number): void {
    switch (event.kind) {
      case 'joined':
      case 'returned':
        this.#stepNeighbourhood({ kind: 'alive', id: event.id }, nowMs)
        return
      case 'died':
      case 'left':
      case 'displaced':
        this.#stepNeighbourhood({ kind: 'lost', id: event.id }, nowMs)
        return
      case 'round-trip':
        this.#stepNeighbourhood({ kind: 'round-trip', id: event.id, ms: event.ms }, nowMs)
        return
      default:
        return
    }
  }
}
