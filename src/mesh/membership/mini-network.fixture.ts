/**
 * Members on a network without sockets: one clock, links with delay and loss, pauses, crashes and
 * partitions, all from one seed. A paused member hears nothing until it resumes; then its timers
 * are late, and all that was sent to it is there at once, as after SIGSTOP.
 */

import { type Random, seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import { insert, takeFirst } from '../due-heap.fixture.ts'
import { Membership } from './membership.ts'
import { type Message, messageBytes } from './messages.ts'
import type { MembershipPreset } from './presets.ts'
import {
  type Signed,
  type Statement,
  type StatementBody,
  signerOf,
  type Verification,
} from './statements.ts'
import type { MembershipEvent, MembershipInput } from './step.ts'

export interface MiniNetworkOptions {
  readonly seed: number
  readonly count: number
  readonly preset: MembershipPreset
  /** One way between two members, besides jitter. */
  readonly delayMs: readonly [least: number, most: number]
  readonly loss?: number
}

/** One way, 2 to 150 ms: round trips up to 300 ms. */
export const wideArea = [2, 150] as const

export interface Logged {
  readonly atMs: number
  readonly observer: number
  readonly event: MembershipEvent
}

interface Host {
  readonly index: number
  readonly id: NodeId
  core: Membership
  up: boolean
  wakeAtMs: number
  pausedUntilMs: number
  inbox: { readonly from: NodeId; readonly message: Message }[]
  group: number
  bytesSent: number
}

interface Occurrence {
  readonly atMs: number
  readonly order: number
  readonly host: Host
  /** Without a message: a wake-up, or the end of a pause. */
  readonly arrival?: { readonly from: Host; readonly message: Message }
}

const jitterMeanMs = 5
const statementLifeMs = 40 * 60_000

export class MiniNetwork {
  nowMs = 0
  readonly log: Logged[] = []
  readonly hosts: Host[] = []
  readonly random: Random
  readonly #options: MiniNetworkOptions
  readonly #byId = new Map<NodeId, Host>()
  readonly #delays = new Map<number, number>()
  readonly #agenda: Occurrence[] = []
  #order = 0

  constructor(options: MiniNetworkOptions) {
    this.#options = options
    this.random = seededRandom(options.seed)
    for (let index = 0; index < options.count; index += 1) this.#addHost(index)
  }

  /** All start within a second, knowing only the first. */
  joinAll(): void {
    for (const host of this.hosts) this.join(host.index, [0])
  }

  join(index: number, seeds: readonly number[]): void {
    const ids = seeds.map((seed) => this.host(seed).id)
    this.#step(this.host(index), { kind: 'join', seeds: ids })
  }

  host(index: number): Host {
    const host = this.hosts[index]
    if (host === undefined) throw new RangeError(`no member ${index}`)
    return host
  }

  indexOf(id: NodeId): number {
    return this.#byId.get(id)?.index ?? -1
  }

  leave(index: number): void {
    this.#step(this.host(index), { kind: 'leave' })
  }

  crash(index: number): void {
    this.host(index).up = false
  }

  /** A new process with the same key, which remembers nothing. */
  restart(index: number, incarnation: number): void {
    const host = this.host(index)
    host.up = true
    host.inbox = []
    host.core = this.#makeCore(host.id, index, incarnation)
    this.join(index, [index === 0 ? 1 : 0])
  }

  pause(index: number, forMs: number): void {
    const host = this.host(index)
    host.pausedUntilMs = this.nowMs + forMs
    this.#schedule({ atMs: host.pausedUntilMs, order: this.#order++, host })
  }

  /** Only members of the same group hear each other. */
  partition(groupOf: (index: number) => number): void {
    for (const host of this.hosts) host.group = groupOf(host.index)
  }

  run(forMs: number): void {
    const end = this.nowMs + forMs
    for (;;) {
      const next = this.#agenda[0]
      if (next === undefined || next.atMs > end) break
      takeFirst(this.#agenda)
      this.nowMs = next.atMs
      this.#happen(next)
    }
    this.nowMs = end
  }

  /** Runs until it holds. @returns ms it took; Infinity if it never did */
  runUntil(holds: () => boolean, forMsMax: number): number {
    const start = this.nowMs
    while (!holds()) {
      if (this.nowMs - start >= forMsMax) return Number.POSITIVE_INFINITY
      this.run(100)
    }
    return this.nowMs - start
  }

  /** Whether every running member holds exactly the other running ones for alive. */
  isConverged(): boolean {
    const up = this.hosts.filter((host) => host.up)
    return up.every(({ core, id }) => {
      const alive = core.members().filter(({ state }) => state === 'alive')
      return (
        alive.length === up.length - 1 &&
        alive.every((member) => member.id !== id && this.#byId.get(member.id)?.up === true)
      )
    })
  }

  stateAt(observer: number, subject: number): string | undefined {
    const { id } = this.host(subject)
    return this.host(observer)
      .core.members()
      .find((member) => member.id === id)?.state
  }

  /** Hands a message to a member as if `from` had sent it. */
  inject(from: number, to: number, message: Message): void {
    this.#step(this.host(to), { kind: 'message', from: this.host(from).id, message })
  }

  #addHost(index: number): void {
    const id = nodeIdOf(this.random.bytes(32))
    const host: Host = {
      index,
      id,
      core: this.#makeCore(id, index, 0),
      up: true,
      wakeAtMs: Number.POSITIVE_INFINITY,
      pausedUntilMs: 0,
      inbox: [],
      group: 0,
      bytesSent: 0,
    }
    this.hosts.push(host)
    this.#byId.set(id, host)
  }

  #makeCore(id: NodeId, index: number, incarnation: number): Membership {
    const { preset, seed } = this.#options
    return new Membership(
      { self: id, incarnation, payload: new Uint8Array(64), preset },
      {
        random: seededRandom(seed * 1_000 + index),
        sign: (body) => seal(body, this.nowMs),
        verify: (statement) => check(statement, this.nowMs),
      },
      this.nowMs,
    )
  }

  #happen({ host, arrival, atMs }: Occurrence): void {
    if (arrival !== undefined) {
      if (arrival.from.group !== host.group) return
      const letter = { from: arrival.from.id, message: arrival.message }
      if (this.nowMs < host.pausedUntilMs) host.inbox.push(letter)
      else this.#step(host, { kind: 'message', ...letter })
      return
    }
    if (this.nowMs < host.pausedUntilMs) return
    if (atMs >= host.wakeAtMs) this.#step(host, { kind: 'tick' })
    const letters = host.inbox
    host.inbox = []
    for (const letter of letters) this.#step(host, { kind: 'message', ...letter })
  }

  #step(host: Host, input: MembershipInput): void {
    if (!host.up) return
    const { sends, events, wakeAtMs } = host.core.step(input, this.nowMs)
    for (const { to, message } of sends) this.#transmit(host, to, message)
    for (const event of events) {
      if (event.kind === 'round-trip') continue // too many to keep
      this.log.push({ atMs: this.nowMs, observer: host.index, event })
    }
    if (wakeAtMs === host.wakeAtMs && wakeAtMs > this.nowMs) return
    host.wakeAtMs = wakeAtMs
    if (wakeAtMs === Number.POSITIVE_INFINITY) return
    this.#schedule({ atMs: Math.max(wakeAtMs, this.nowMs), order: this.#order++, host })
  }

  #transmit(from: Host, to: NodeId, message: Message): void {
    from.bytesSent += messageBytes(message)
    const host = this.#byId.get(to)
    if (host === undefined || host.group !== from.group) return
    if (this.random.float() < (this.#options.loss ?? 0)) return
    const jitterMs = -jitterMeanMs * Math.log(1 - this.random.float())
    const atMs = this.nowMs + this.#delayMs(from.index, host.index) + jitterMs
    this.#schedule({ atMs, order: this.#order++, host, arrival: { from, message } })
  }

  #delayMs(one: number, other: number): number {
    const key = Math.min(one, other) * this.#options.count + Math.max(one, other)
    const known = this.#delays.get(key)
    if (known !== undefined) return known
    const [least, most] = this.#options.delayMs
    const delayMs = least + this.random.float() * (most - least)
    this.#delays.set(key, delayMs)
    return delayMs
  }

  #schedule(occurrence: Occurrence): void {
    insert(this.#agenda, occurrence)
  }
}

/** A stand-in for Ed25519: only who knows the signer's name as a secret makes the same bytes. */
export function seal<Body extends StatementBody>(
  body: Body,
  nowMs: number,
  signer: NodeId = signerOf(body),
): Signed<Body> {
  const signature = digest(body, nowMs, signer)
  return { ...body, issuedAtMs: nowMs, signature }
}

export function check(statement: Statement, nowMs: number): Verification {
  const expected = digest(statement, statement.issuedAtMs, signerOf(statement))
  if (!statement.signature.every((byte, index) => byte === expected[index])) return 'forged'
  return nowMs - statement.issuedAtMs > statementLifeMs ? 'expired' : 'valid'
}

/** FNV-1a. */
function digest(body: StatementBody, issuedAtMs: number, signer: NodeId): Uint8Array {
  const { kind, subject, incarnation } = body
  const text = `${kind} ${subject} ${incarnation} ${issuedAtMs} ${signer} ${signerOf(body)}`
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return Uint8Array.of(hash, hash >> 8, hash >> 16, hash >> 24)
}

/** The value below which this share of them lies; the highest for 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const index = Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)
  return sorted[Math.max(0, index)] ?? Number.NaN
}
