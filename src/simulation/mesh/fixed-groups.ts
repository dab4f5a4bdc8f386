/**
 * Hosts that do not look for clusters: their groups are given to them, the nearest hosts of one
 * that has none yet, up to a full cluster. What a run costs, and what load is known, without it.
 */

import {
  loadMessageBytes,
  type MemberStanding,
  Membership,
  type MembershipEvent,
  type MembershipInput,
  type MembershipMessage,
  membershipMessageBytes,
  type Signed,
  type Verification,
  wan,
} from '../../mesh/index.ts'
import {
  type LoadMessage,
  type NodeId,
  type Statement,
  type StatementBody,
  signerOf,
} from '../../protocol/index.ts'
import type { ActorInput, ActorOutputs } from '../actor.ts'
import type { Belief } from '../checkers/beliefs.ts'
import type { Placement } from '../network/placement.ts'
import type { CheapSeal } from '../seal.ts'
import type { HostKind, HostSetting, MeshHost } from './host.ts'
import type { HostEvent } from './host-event.ts'
import { LoadSide, type LoadSink } from './load-side.ts'

const groupSizeMax = 64
/** Of its group, so that one that is down does not keep others out. */
const seedsPerHost = 3
const payload = new Uint8Array(64)

export class FixedGroups {
  /** By host. */
  readonly #groupOf: readonly (readonly number[])[]

  /** @param gateways hosts that are in no group */
  constructor(placement: Placement, boundMs: number, gateways: readonly number[]) {
    this.#groupOf = groupByNearness(placement, boundMs, new Set(gateways))
  }

  group(host: number): readonly number[] {
    return this.#groupOf[host] ?? []
  }
}

export function fixedGroupHosts(
  groups: FixedGroups,
  ids: readonly NodeId[],
): HostKind<GroupMessage> {
  return {
    bytesOf: ({ part, message }) =>
      part === 'membership' ? membershipMessageBytes(message) : loadMessageBytes(message),
    make: (setting) => {
      if (setting.load.isGateway) return new Gateway(setting)
      const group = groups.group(setting.host)
      const seeds = group.filter((host) => host !== setting.host).slice(0, seedsPerHost)
      const name = `group-${group[0] ?? setting.host}`
      return new GroupMember(setting, { name, seeds: seeds.map((host) => ids[host] as NodeId) })
    },
  }
}

export type GroupMessage =
  | { readonly part: 'membership'; readonly message: MembershipMessage }
  | { readonly part: 'load'; readonly message: LoadMessage }

interface Group {
  readonly name: string
  readonly seeds: readonly NodeId[]
}

class GroupMember implements MeshHost<GroupMessage> {
  readonly #self: NodeId
  readonly #group: Group
  readonly #membership: Membership
  readonly #load: LoadSide
  readonly #others = new Set<NodeId>()
  #wakeAtMs = Number.NEGATIVE_INFINITY
  #belongs = false
  #sends: { to: NodeId; message: GroupMessage }[] = []
  #events: HostEvent[] = []
  readonly #sink: LoadSink = {
    send: (to, message) => {
      this.#sends.push({ to, message: { part: 'load', message } })
    },
    note: (event) => {
      this.#events.push(event)
    },
  }

  constructor(setting: HostSetting, group: Group) {
    const { id, life, random, seal, load } = setting
    this.#self = id
    this.#group = group
    this.#load = new LoadSide(load, setting.nowMs())
    this.#membership = new Membership(
      { self: id, incarnation: life * incarnationsPerLife, payload, preset: wan },
      {
        random,
        sign: (body) => sealStatement(seal, body, setting.wallMs()),
        verify: (statement) => checkStatement(seal, statement),
      },
      setting.nowMs(),
    )
  }

  step(input: ActorInput<GroupMessage>, nowMs: number): ActorOutputs<GroupMessage, HostEvent> {
    this.#sends = []
    this.#events = []
    if (this.#wakeAtMs === Number.NEGATIVE_INFINITY) {
      this.#events.push({ kind: 'cluster', id: this.#group.name })
      this.#member({ kind: 'join', seeds: this.#group.seeds }, nowMs)
    } else if (input.kind === 'tick') {
      if (nowMs >= this.#wakeAtMs) this.#member(input, nowMs)
    } else if (input.message.part === 'membership') {
      const { message } = input.message
      this.#member({ kind: 'message', from: input.from, message }, nowMs)
    } else {
      const {
        from,
        message: { message },
      } = input
      this.#load.hear({ from, message }, nowMs, this.#sink)
    }
    if (!this.#belongs) this.#belong(nowMs)
    this.#load.tick(nowMs, this.#sink)
    const wakeAtMs = Math.min(this.#wakeAtMs, this.#load.wakeAtMs)
    return { sends: this.#sends, events: this.#events, wakeAtMs }
  }

  #member(input: MembershipInput, nowMs: number): void {
    const { sends, events, wakeAtMs } = this.#membership.step(input, nowMs)
    this.#wakeAtMs = wakeAtMs
    for (const { to, message } of sends) {
      this.#sends.push({ to, message: { part: 'membership', message } })
    }
    for (const event of events) this.#note(event)
  }

  #note(event: MembershipEvent): void {
    if (event.kind === 'round-trip') return
    this.#events.push({ kind: 'seen', what: event.kind })
    const belief = beliefOf[event.kind]
    if (belief === undefined || !('id' in event)) return
    this.#events.push({ kind: 'belief', subject: event.id, belief })
    if (belief === 'alive') this.#others.add(event.id)
    else this.#others.delete(event.id)
    this.#belongs = false
  }

  /** Everyone derives the coordinator from who is alive: the first by id. */
  #belong(nowMs: number): void {
    this.#belongs = true
    let coordinator = this.#self
    for (const id of this.#others) if (id < coordinator) coordinator = id
    const others: MemberStanding[] = []
    for (const id of this.#others) others.push({ id, state: 'alive' })
    this.#load.belong({ name: this.#group.name, coordinator, others }, nowMs, this.#sink)
  }
}

/** A gateway, beside the groups. */
class Gateway implements MeshHost<GroupMessage> {
  readonly #load: LoadSide

  constructor({ load, nowMs }: HostSetting) {
    this.#load = new LoadSide(load, nowMs())
  }

  get view(): LoadSide['view'] {
    return this.#load.view
  }

  step(input: ActorInput<GroupMessage>, nowMs: number): ActorOutputs<GroupMessage, HostEvent> {
    const sends: { to: NodeId; message: GroupMessage }[] = []
    const events: HostEvent[] = []
    const sink: LoadSink = {
      send: (to, message) => {
        sends.push({ to, message: { part: 'load', message } })
      },
      note: (event) => {
        events.push(event)
      },
    }
    if (input.kind === 'tick') this.#load.tick(nowMs, sink)
    else if (input.message.part === 'load') {
      const {
        from,
        message: { message },
      } = input
      this.#load.hear({ from, message }, nowMs, sink)
    }
    return { sends, events, wakeAtMs: this.#load.wakeAtMs }
  }
}

/** More than anyone renews its statement in one life. */
const incarnationsPerLife = 1_000_000

const beliefOf: Partial<Record<MembershipEvent['kind'], Belief>> = {
  joined: 'alive',
  returned: 'alive',
  died: 'dead',
  left: 'unknown',
}

export function sealStatement<Body extends StatementBody>(
  seal: CheapSeal,
  body: Body,
  issuedAtMs: number,
): Signed<Body> {
  const signature = seal.make(signerOf(body), numbersOf(seal, body, issuedAtMs), payloadOf(body))
  return { ...body, issuedAtMs, signature }
}

export function checkStatement(seal: CheapSeal, statement: Statement): Verification {
  const numbers = numbersOf(seal, statement, statement.issuedAtMs)
  const said = [numbers, payloadOf(statement)] as const
  return seal.holds(statement.signature, signerOf(statement), said) ? 'valid' : 'forged'
}

function numbersOf(seal: CheapSeal, body: StatementBody, issuedAtMs: number): readonly number[] {
  return [kindNumbers[body.kind], seal.of(body.subject), body.incarnation, issuedAtMs]
}

const kindNumbers = { alive: 0, suspect: 1, dead: 2, left: 3 } as const
const nothing = new Uint8Array(0)

function payloadOf(body: StatementBody): Uint8Array {
  return body.kind === 'alive' ? body.payload : nothing
}

/** Greedy: the nearest hosts that are within the bound of all that are in already. */
function groupByNearness(
  placement: Placement,
  boundMs: number,
  left: ReadonlySet<number>,
): readonly (readonly number[])[] {
  const groupOf: (readonly number[])[] = new Array(placement.hosts)
  let free = Array.from({ length: placement.hosts }, (_, host) => host).filter((h) => !left.has(h))
  while (free.length > 0) {
    const first = free[0] as number
    const wayMs = (host: number) => (host === first ? -1 : placement.oneWayMs(first, host))
    const near = free.filter((host) => 2 * wayMs(host) <= boundMs)
    near.sort((a, b) => wayMs(a) - wayMs(b) || a - b)
    const group: number[] = []
    for (const host of near) {
      const fits = group.every((other) => placement.roundTripMs(host, other) <= boundMs)
      if (fits) group.push(host)
      if (group.length === groupSizeMax) break
    }
    for (const host of group) groupOf[host] = group
    const taken = new Set(group)
    free = free.filter((host) => !taken.has(host))
  }
  return groupOf
}
