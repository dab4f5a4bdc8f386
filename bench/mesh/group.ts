/**
 * A cluster that runs its membership on a simulated network, and what it says of its load where it
 * is told to: 64 members on far links, unless told otherwise. Its events are kept for the one who
 * asks what was known when.
 */
import { seededRandom } from '../../src/base/index.ts'
import {
  loadMessageBytes,
  Membership,
  type MembershipEvent,
  type MembershipPreset,
  membershipMessageBytes,
} from '../../src/mesh/index.ts'
import { type NodeId, nodeIdOf } from '../../src/protocol/index.ts'
import {
  CheapSeal,
  checkStatement,
  type LatencyMatrix,
  Links,
  Placement,
  sealStatement,
  World,
} from '../../src/simulation/index.ts'
import { GroupMember, type GroupMessage } from './group-member.ts'

export interface GroupOptions {
  readonly matrix: LatencyMatrix
  readonly members: number
  readonly seed: number
  readonly preset: MembershipPreset
  /** Share of messages. */
  readonly loss: number
  /** Members say their load, as nodes do. */
  readonly saysLoad?: boolean
}

export interface Noticed {
  readonly atMs: number
  readonly observer: number
  readonly subject: number
  readonly kind: MembershipEvent['kind']
}

const jitterShare = 0.05
const wallStartMs = 1_700_000_000_000
/** What a node says of itself: its card. */
const payload = new Uint8Array(64)
/** More than anyone renews its statement in one life. */
const incarnationsPerLife = 1_000_000
/** To come to know each other. */
const joinMs = 20_000

export class Group {
  readonly world: World<GroupMessage, MembershipEvent>
  readonly noticed: Noticed[] = []
  readonly #options: GroupOptions
  readonly #ids: readonly NodeId[]
  readonly #seal: CheapSeal
  readonly #lives: number[]
  readonly #memberships: Membership[] = []

  /** All have joined. */
  constructor(options: GroupOptions) {
    const { matrix, members, seed, loss } = options
    this.#options = options
    const random = seededRandom(seed)
    this.#ids = Array.from({ length: members }, () => nodeIdOf(random.bytes(32)))
    this.#seal = new CheapSeal(this.#ids)
    this.#lives = new Array<number>(members).fill(0)
    this.world = new World({
      ids: this.#ids,
      links: new Links({ seed, loss, jitterShare }, new Placement(matrix, members, random)),
      bytesOf: (message) =>
        message.kind === 'load' ? loadMessageBytes(message.said) : membershipMessageBytes(message),
      onEvent: (host, event, nowMs) => this.#note(host, event, nowMs),
    })
    for (let host = 0; host < members; host += 1) this.start(host)
    this.world.run(joinMs)
  }

  /** A process on the host, its first or a new one that remembers nothing. */
  start(host: number): void {
    const { members, preset, saysLoad, seed } = this.#options
    const { world } = this
    const life = (this.#lives[host] ?? 0) + 1
    this.#lives[host] = life
    const self = world.idOf(host)
    const membership = new Membership(
      { self, incarnation: life * incarnationsPerLife, payload, preset },
      {
        random: seededRandom(seed * 1_000_003 + host * 1_009 + life),
        sign: (body) => sealStatement(this.#seal, body, wallStartMs + world.nowMs),
        verify: (statement) => checkStatement(this.#seal, statement),
      },
      world.nowMs,
    )
    this.#memberships[host] = membership
    const seeds = [1, 2, 3].map((step) => world.idOf((host + step) % members))
    const setting = {
      self,
      order: this.#ids,
      random: seededRandom(seed * 1_000_033 + host * 1_009 + life),
      wallMs: () => wallStartMs + world.nowMs,
    }
    const load = saysLoad === true ? setting : undefined
    world.start(host, new GroupMember({ membership, seeds, load }, world.nowMs))
  }

  /** Running members that do not hold the subject for dead or gone. */
  believers(subject: number): number {
    const id = this.world.idOf(subject)
    return this.#memberships.filter(
      (membership, host) =>
        host !== subject &&
        this.world.isUp(host) &&
        membership.members().some((member) => member.id === id && isThere(member.state)),
    ).length
  }

  /** Whether every running member holds all running ones for alive, and nobody else. */
  isOneView(): boolean {
    const up = this.#ids.filter((_, host) => this.world.isUp(host)).length
    return this.#memberships.every((membership, host) => {
      if (!this.world.isUp(host)) return true
      const alive = membership.members().filter(({ state }) => state === 'alive')
      return (
        alive.length === up - 1 && alive.every(({ id }) => this.world.isUp(this.world.indexOf(id)))
      )
    })
  }

  /** Ms until it holds; infinity where it did not within `withinMs`. */
  runUntil(holds: () => boolean, withinMs: number): number {
    const beganMs = this.world.nowMs
    while (!holds()) {
      if (this.world.nowMs - beganMs >= withinMs) return Number.POSITIVE_INFINITY
      this.world.run(this.world.nowMs + lookEveryMs)
    }
    return this.world.nowMs - beganMs
  }

  #note(observer: number, event: MembershipEvent, atMs: number): void {
    if (event.kind === 'round-trip' || !('id' in event)) return
    const { kind, id } = event
    this.noticed.push({ atMs, observer, subject: this.world.indexOf(id), kind })
  }
}

const lookEveryMs = 50

function isThere(state: string): boolean {
  return state === 'alive' || state === 'suspect'
}
