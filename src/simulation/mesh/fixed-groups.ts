/**
 * Hosts that know nothing but membership, in groups that are given to them: the nearest hosts of a
 * host that has none yet, up to a full cluster. What a run costs without the search for clusters.
 */

import {
  Membership,
  type MembershipEvent,
  type MembershipMessage,
  membershipMessageBytes,
  type Signed,
  type Verification,
  wan,
} from '../../mesh/index.ts'
import { type NodeId, type Statement, type StatementBody, signerOf } from '../../protocol/index.ts'
import type { ActorInput, ActorOutputs } from '../actor.ts'
import type { Belief } from '../checkers/beliefs.ts'
import type { Placement } from '../network/placement.ts'
import type { CheapSeal } from '../seal.ts'
import type { HostEvent, HostKind, HostSetting, MeshHost } from './host.ts'

const groupSizeMax = 64
/** Of its group, so that one that is down does not keep others out. */
const seedsPerHost = 3
const payload = new Uint8Array(64)

export class FixedGroups {
  /** By host. */
  readonly #groupOf: readonly (readonly number[])[]

  constructor(placement: Placement, boundMs: number) {
    this.#groupOf = groupByNearness(placement, boundMs)
  }

  group(host: number): readonly number[] {
    return this.#groupOf[host] ?? []
  }
}

export function fixedGroupHosts(
  groups: FixedGroups,
  ids: readonly NodeId[],
): HostKind<MembershipMessage> {
  return {
    bytesOf: membershipMessageBytes,
    make: (setting) => {
      const group = groups.group(setting.host)
      const seeds = group.filter((host) => host !== setting.host).slice(0, seedsPerHost)
      const name = `group-${group[0] ?? setting.host}`
      return new GroupMember(setting, { name, seeds: seeds.map((host) => ids[host] as NodeId) })
    },
  }
}

interface Group {
  readonly name: string
  readonly seeds: readonly NodeId[]
}

class GroupMember implements MeshHost<MembershipMessage> {
  readonly #group: Group
  readonly #membership: Membership
  #hasBegun = false

  constructor(setting: HostSetting, group: Group) {
    const { id, life, random, seal } = setting
    this.#group = group
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

  step(
    input: ActorInput<MembershipMessage>,
    nowMs: number,
  ): ActorOutputs<MembershipMessage, HostEvent> {
    if (this.#hasBegun) {
      const { sends, events, wakeAtMs } = this.#membership.step(input, nowMs)
      return { sends, events: hostEvents(events), wakeAtMs }
    }
    this.#hasBegun = true
    const { name, seeds } = this.#group
    const { sends, events, wakeAtMs } = this.#membership.step({ kind: 'join', seeds }, nowMs)
    return { sends, events: [{ kind: 'cluster', id: name }, ...hostEvents(events)], wakeAtMs }
  }
}

/** More than anyone renews its statement in one life. */
const incarnationsPerLife = 1_000_000

const noEvents: readonly HostEvent[] = []

function hostEvents(events: readonly MembershipEvent[]): readonly HostEvent[] {
  if (events.length === 0) return noEvents
  const seen: HostEvent[] = []
  for (const event of events) {
    const belief = beliefOf[event.kind]
    if (belief !== undefined && 'id' in event) {
      seen.push({ kind: 'belief', subject: event.id, belief })
    }
    if (event.kind !== 'round-trip') seen.push({ kind: 'seen', what: event.kind })
  }
  return seen
}

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
function groupByNearness(placement: Placement, boundMs: number): readonly (readonly number[])[] {
  const groupOf: (readonly number[])[] = new Array(placement.hosts)
  let free = Array.from({ length: placement.hosts }, (_, host) => host)
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
