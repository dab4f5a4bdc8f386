/**
 * A member of a group: its membership, and where it is told to speak of its load as well, what a
 * cluster does about that. Whoever is the first in the group's order and not gone coordinates.
 */
import type { Random } from '../../src/base/index.ts'
import {
  LoadPart,
  type LoadPartInput,
  type Membership,
  type MembershipEvent,
  type MembershipInput,
  type MembershipMessage,
  simulatedSeals,
} from '../../src/mesh/index.ts'
import type { LoadMessage, NodeId } from '../../src/protocol/index.ts'
import type { ActorInput, ActorOutputs } from '../../src/simulation/index.ts'

export type GroupMessage = MembershipMessage | { readonly kind: 'load'; readonly said: LoadMessage }

export interface LoadSetting {
  readonly self: NodeId
  readonly order: readonly NodeId[]
  readonly random: Random
  /** ms since 1970. */
  wallMs(): number
}

export interface MemberSetting {
  readonly membership: Membership
  readonly seeds: readonly NodeId[]
  /** Undefined: it does not speak of its load. */
  readonly load: LoadSetting | undefined
}

interface Send {
  readonly to: NodeId
  readonly message: GroupMessage
}

const facts = {
  region: '',
  capabilities: new Uint8Array(32),
  slots: 16,
  kvTokensTotal: 131_072,
  tokensPerSecond: 1_000,
  health: 'good',
  load: { running: 1, waiting: 0, kvTokensFree: 126_976 },
} as const

export class GroupMember {
  readonly #membership: Membership
  readonly #seeds: readonly NodeId[]
  readonly #setting: LoadSetting | undefined
  readonly #load: LoadPart | undefined
  #hasJoined = false
  #membershipWakeAtMs = 0
  #loadWakeAtMs = Number.POSITIVE_INFINITY
  #sends: Send[] = []
  #events: MembershipEvent[] = []

  constructor({ membership, seeds, load }: MemberSetting, nowMs: number) {
    this.#membership = membership
    this.#seeds = seeds
    this.#setting = load
    if (load === undefined) return
    const { self, random, wallMs } = load
    const modules = { random, clock: { now: wallMs }, seals: simulatedSeals(self) }
    this.#load = new LoadPart({ self, role: 'node' }, modules, nowMs)
  }

  step(
    input: ActorInput<GroupMessage>,
    nowMs: number,
  ): ActorOutputs<GroupMessage, MembershipEvent> {
    this.#sends = []
    this.#events = []
    if (!this.#hasJoined) this.#join(nowMs)
    else if (input.kind === 'tick') this.#stepMembership(input, nowMs)
    else if (input.message.kind === 'load') {
      this.#stepLoad({ kind: 'message', from: input.from, message: input.message.said }, nowMs)
    } else {
      this.#stepMembership({ kind: 'message', from: input.from, message: input.message }, nowMs)
    }
    if (nowMs >= this.#loadWakeAtMs) this.#stepLoad({ kind: 'tick' }, nowMs)
    const wakeAtMs = Math.min(this.#membershipWakeAtMs, this.#loadWakeAtMs)
    return { sends: this.#sends, events: this.#events, wakeAtMs }
  }

  #join(nowMs: number): void {
    this.#hasJoined = true
    this.#stepMembership({ kind: 'join', seeds: this.#seeds }, nowMs)
    this.#place(nowMs)
    this.#stepLoad({ kind: 'facts', facts }, nowMs)
  }

  #stepMembership(input: MembershipInput, nowMs: number): void {
    const { events, sends, wakeAtMs } = this.#membership.step(input, nowMs)
    this.#membershipWakeAtMs = wakeAtMs
    this.#sends.push(...sends)
    this.#events.push(...events)
    if (events.some(({ kind }) => changesPlace.has(kind))) this.#place(nowMs)
  }

  #place(nowMs: number): void {
    if (this.#setting === undefined) return
    const { order, self } = this.#setting
    const members = this.#membership.members()
    const gone = new Set(members.filter(({ state }) => state !== 'alive').map(({ id }) => id))
    const known = new Set([self, ...members.map(({ id }) => id)])
    const coordinator = order.find((id) => known.has(id) && !gone.has(id)) ?? self
    this.#stepLoad({ kind: 'place', cluster: 'group', coordinator, members }, nowMs)
  }

  #stepLoad(input: LoadPartInput, nowMs: number): void {
    if (this.#load === undefined) return
    const { events, sends, wakeAtMs } = this.#load.step(input, nowMs)
    this.#loadWakeAtMs = wakeAtMs
    for (const { message: said, to } of sends) {
      this.#sends.push({ to, message: { kind: 'load', said } })
    }
    for (const event of events) if (event.kind === 'silent') this.#stepMembership(event, nowMs)
  }
}

/** Whom it holds for alive is another set from here on. */
const changesPlace: ReadonlySet<MembershipEvent['kind']> = new Set<MembershipEvent['kind']>([
  ...(['joined', 'returned', 'died', 'left', 'displaced'] as const),
])
