/**
 * A member of the simulated federation: the very machine that real nodes and gateways run, its
 * coordinate, and what it does about load.
 */

import {
  type ClusterPlace,
  type ClusterRules,
  Coordinates,
  defaultClusterRules,
  type FederationView,
  LoadPart,
  type LoadPartInput,
  loadMessageBytes,
  type MachineEvent,
  type MachineInput,
  type MemberStanding,
  MeshMachine,
  membershipMessageBytes,
  neighbourhoodMessageBytes,
  Outbox,
  presetFor,
  simulatedSeals,
} from '../../mesh/index.ts'
import type { LoadMessage, NodeId } from '../../protocol/index.ts'
import type { ActorInput, ActorOutputs } from '../actor.ts'
import type { Belief } from '../checkers/beliefs.ts'
import { machineSeals } from './claim-seals.ts'
import type { HostKind, HostSetting, MeshHost } from './host.ts'
import type { HostEvent } from './host-event.ts'
import type { MemberMessage } from './member-message.ts'
import { SimulatedWork } from './simulated-work.ts'

const subjects = [
  ...['ping', 'ping-request', 'ack', 'nack', 'gossip', 'sync', 'sync-reply'],
  ...[
    'shuffle',
    'shuffle-reply',
    'shuffle-rest',
    'probe',
    'echo',
    'roster-wanted',
    'roster',
    'roster-change',
    'ask',
    'answer',
  ],
  ...['standing', 'here', 'here-ack', 'moved'],
  ...['load', 'load of many', 'digest', 'digest-ack', 'wants', 'summary'],
  'other',
] as const
type Subject = (typeof subjects)[number]
const placeOfSubject = new Map<string, number>(subjects.map((subject, place) => [subject, place]))

function subjectOf(part: MemberMessage): number {
  const subject = part.kind === 'load' ? subjectOfLoad(part.message) : part.message.kind
  return placeOfSubject.get(subject) ?? subjects.length - 1
}

function subjectOfLoad(message: LoadMessage): Subject {
  if (message.kind === 'ack') return 'digest-ack'
  if (message.kind !== 'news') return message.kind
  const { anchors, offers, ticks } = message.news
  return anchors.length + offers.length > 1 || ticks.length > 1 ? 'load of many' : 'load'
}

export function memberHosts(boundMs: number): HostKind<MemberMessage> {
  const rules: ClusterRules = { ...defaultClusterRules, boundMs }
  return {
    make: (setting) => new MemberHost(setting, rules),
    subjects,
    subjectOf,
    bytesOf(part) {
      switch (part.kind) {
        case 'membership':
          return membershipMessageBytes(part.message)
        case 'neighbourhood':
          return neighbourhoodMessageBytes(part.message)
        case 'load':
          return packetBytes + loadMessageBytes(part.message)
      }
    },
  }
}

/** IP and TCP, TLS record, HTTP/2, gRPC, the frame of a carried call, and the packet around it. */
const packetBytes = 52 + 22 + 9 + 5 + 8 + 48
/** Where one can be reached: an address and the proof of admission. */
const contact = new Uint8Array(48)
/** What is measured meanwhile counts all the same; a settlement costs some µs for each peer. */
const settleIntervalMs = 30_000

const tick = { kind: 'tick' } as const

const out = new Outbox<{ readonly to: NodeId; readonly message: MemberMessage }, HostEvent>()

class MemberHost implements MeshHost<MemberMessage> {
  readonly #self: NodeId
  readonly #seeds: readonly NodeId[]
  readonly #gateways: readonly NodeId[]
  readonly #coordinates: Coordinates
  readonly #machine: MeshMachine
  readonly #load: LoadPart
  readonly #work: SimulatedWork | undefined
  #hasBegun = false
  #machineWakeAtMs = 0
  #machineDueMs = 0
  #loadWakeAtMs = 0

  constructor(setting: HostSetting, rules: ClusterRules) {
    const { id: self, random, seal, seeds } = setting
    const nowMs = setting.nowMs()
    this.#self = self
    this.#seeds = seeds
    this.#coordinates = new Coordinates({ self, settleIntervalMs }, { random }, nowMs)
    this.#machine = new MeshMachine(
      { self, preset: presetFor(rules.boundMs), rules },
      {
        random,
        seals: machineSeals(seal, self, setting.wallMs),
        contact: () => contact,
        coordinate: () => this.#coordinates.own,
      },
      nowMs,
    )
    const { isGateway, region, gateways } = setting
    this.#gateways = gateways
    this.#load = new LoadPart(
      { self, role: isGateway ? 'gateway' : 'node' },
      { random, clock: { now: setting.wallMs }, seals: simulatedSeals(self) },
      nowMs,
    )
    this.#work = isGateway ? undefined : new SimulatedWork(region, random, nowMs)
  }

  get view(): FederationView | undefined {
    return this.#load.view
  }

  step(input: ActorInput<MemberMessage>, nowMs: number): ActorOutputs<MemberMessage, HostEvent> {
    out.clear()
    if (!this.#hasBegun) this.#begin(nowMs)
    else if (input.kind === 'message') this.#hear(input.from, input.message, nowMs)
    // Whoever is awake for one looks after the other as well.
    const isWoken = nowMs >= this.#machineWakeAtMs || nowMs >= this.#loadWakeAtMs
    if (isWoken && nowMs >= this.#machineDueMs) this.#stepMachine(tick, nowMs)
    if (this.#work !== undefined && nowMs >= this.#work.changeAtMs) {
      this.#stepLoad({ kind: 'facts', facts: this.#work.change(nowMs) }, nowMs)
    }
    if (nowMs >= this.#loadWakeAtMs) this.#stepLoad(tick, nowMs)
    // Its work changes when it wakes anyway, more than once a second.
    const wakeAtMs = Math.min(this.#machineWakeAtMs, this.#loadWakeAtMs)
    return out.take(wakeAtMs)
  }

  #begin(nowMs: number): void {
    this.#hasBegun = true
    this.#stepLoad({ kind: 'gateways', gateways: this.#gateways }, nowMs)
    this.#belong(this.#machine.neighbourhood.place, nowMs)
    out.note({ kind: 'cluster', id: this.#machine.neighbourhood.place.cluster })
    this.#stepMachine({ kind: 'seeds', seeds: this.#seeds }, nowMs)
  }

  #hear(from: NodeId, part: MemberMessage, nowMs: number): void {
    if (part.kind === 'load') {
      this.#stepLoad({ kind: 'message', from, message: part.message }, nowMs)
    } else this.#stepMachine({ kind: 'part', from, part }, nowMs)
  }

  #stepMachine(input: MachineInput, nowMs: number): void {
    const { sends, events, wakeAtMs } = this.#machine.step(input, nowMs)
    this.#machineWakeAtMs = wakeAtMs
    this.#machineDueMs = this.#machine.dueMs
    for (const { to, part } of sends) out.send({ to, message: part })
    for (const event of events) this.#note(event, nowMs)
  }

  #stepLoad(input: LoadPartInput, nowMs: number): void {
    const { sends, events, wakeAtMs } = this.#load.step(input, nowMs)
    this.#loadWakeAtMs = wakeAtMs
    for (const { to, message } of sends) out.send({ to, message: { kind: 'load', message } })
    for (const event of events) {
      const what = event.kind === 'caught' ? `lie: ${event.lie}` : event.kind
      out.note({ kind: 'seen', what })
      if (event.kind === 'silent') this.#stepMachine(event, nowMs)
    }
  }

  #note(event: MachineEvent, nowMs: number): void {
    switch (event.kind) {
      case 'round-trip':
        out.note({ kind: 'measured', peer: event.id })
        if (!('coordinate' in event)) return
        this.#coordinates.observe(
          { peer: event.id, roundTripMs: event.ms, coordinate: event.coordinate },
          nowMs,
        )
        return
      case 'placed':
        out.note({ kind: 'cluster', id: event.cluster })
        out.note({ kind: 'seen', what: `placed: ${event.reason}` })
        this.#belong(event, nowMs)
        return
      case 'changed':
        this.#belong(event, nowMs)
        return
      case 'rejected':
        out.note({ kind: 'seen', what: `rejected: ${event.fault}` })
        return
      default: {
        out.note({ kind: 'seen', what: event.kind })
        const belief = beliefOf[event.kind]
        if (belief === undefined || !('id' in event)) return
        out.note({ kind: 'belief', subject: event.id, belief })
      }
    }
  }

  #belong({ cluster, coordinator, members }: ClusterPlace, nowMs: number): void {
    const others: MemberStanding[] = []
    for (const id of members) if (id !== this.#self) others.push({ id, state: 'alive' })
    this.#stepLoad({ kind: 'place', cluster, coordinator, members: others }, nowMs)
  }
}

const beliefOf: Partial<Record<MachineEvent['kind'], Belief>> = {
  joined: 'alive',
  returned: 'alive',
  died: 'dead',
  left: 'unknown',
}
