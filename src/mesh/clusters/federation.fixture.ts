/** For tests: neighbourhoods on a simulated network, by seed; every signature is a cheap seal. */

import { type Random, seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf, type Verification } from '../../protocol/index.ts'
import { type Coordinate, origin } from '../coordinates/coordinate.ts'
import { insert, takeFirst } from '../due-heap.fixture.ts'
import { type Claim, type ClaimBody, type ClaimSeal, claimantOf } from './claims.ts'
import { farAllowed } from './fit.ts'
import type { ClusterRules } from './limits.ts'
import { type NeighbourhoodMessage, neighbourhoodMessageBytes } from './messages.ts'
import { Neighbourhood, type NeighbourhoodEvent, type NeighbourhoodInput } from './neighbourhood.ts'

export type RoundTrip = (one: number, other: number) => number

export interface FederationOptions {
  readonly seed: number
  readonly count: number
  /** Ms, without jitter; may be changed while it runs. */
  readonly roundTripMs: RoundTrip
  readonly rules?: ClusterRules
  readonly loss?: number
  /** Mean of what is added to each way, as a share of it. */
  readonly jitterShare?: number
  readonly coordinate?: (index: number) => Coordinate
}

export interface Host {
  readonly index: number
  readonly id: NodeId
  node: Neighbourhood
  isUp: boolean
  wakeAtMs: number
  /** Hosts of different groups do not hear each other. */
  group: number
  bytesSent: number
}

interface Occurrence {
  readonly atMs: number
  readonly order: number
  readonly host: Host
  readonly input?: NeighbourhoodInput
  readonly letter?: { readonly from: Host; readonly message: NeighbourhoodMessage }
}

const cardLifeMs = 1_800_000

export class Federation {
  readonly hosts: Host[] = []
  readonly events: { atMs: number; index: number; event: NeighbourhoodEvent }[] = []
  readonly random: Random
  /** Pairs of which one probed the other. */
  readonly measured = new Set<number>()
  roundTripMs: RoundTrip
  nowMs = 0
  steps = 0
  readonly #options: FederationOptions
  readonly #byId = new Map<NodeId, Host>()
  readonly #agenda: Occurrence[] = []
  #order = 0

  constructor(options: FederationOptions) {
    this.#options = options
    this.roundTripMs = options.roundTripMs
    this.random = seededRandom(options.seed)
    for (let index = 0; index < options.count; index += 1) this.#addHost(index)
  }

  /** Each knows one other at first. */
  start(spreadMs = 1_000): void {
    for (const { index, id } of this.hosts) {
      const seeds = index === 0 ? [] : [this.host(this.random.below(index)).id]
      this.later(this.random.float() * spreadMs, id, { kind: 'seeds', seeds })
    }
  }

  host(index: number): Host {
    return this.hosts[index] as Host
  }

  indexOf(id: NodeId): number {
    return this.#byId.get(id)?.index ?? -1
  }

  later(afterMs: number, id: NodeId, input: NeighbourhoodInput): void {
    const host = this.#byId.get(id) as Host
    this.#schedule({ atMs: this.nowMs + afterMs, order: this.#order++, host, input })
  }

  input(index: number, input: NeighbourhoodInput): void {
    this.#step(this.host(index), input)
  }

  /** As if the first had sent it. */
  inject(from: number, to: number, message: NeighbourhoodMessage): void {
    this.#step(this.host(to), { kind: 'message', from: this.host(from).id, message })
  }

  crash(index: number): void {
    this.host(index).isUp = false
  }

  restart(index: number, seeds: readonly number[]): void {
    const host = this.host(index)
    host.node = this.#makeNode(host.id, index)
    host.isUp = true
    host.wakeAtMs = Number.POSITIVE_INFINITY
    this.#step(host, { kind: 'seeds', seeds: seeds.map((seed) => this.host(seed).id) })
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs
    for (;;) {
      const first = this.#agenda[0]
      if (first === undefined || first.atMs > untilMs) break
      takeFirst(this.#agenda)
      this.nowMs = Math.max(this.nowMs, first.atMs)
      this.#happen(first)
    }
    this.nowMs = untilMs
  }

  /** @returns how long it took, or the most that it may */
  runUntil(isDone: () => boolean, mostMs: number): number {
    const startMs = this.nowMs
    while (this.nowMs - startMs < mostMs && !isDone()) this.run(500)
    return this.nowMs - startMs
  }

  /** Nodes that are up, by the cluster that each says it is in. */
  clusters(): Map<string, number[]> {
    const clusters = new Map<string, number[]>()
    for (const { index, node, isUp } of this.hosts) {
      if (!isUp) continue
      const { cluster } = node.place
      const members = clusters.get(cluster)
      if (members === undefined) clusters.set(cluster, [index])
      else members.push(index)
    }
    return clusters
  }

  placed(): number {
    let placed = 0
    for (const members of this.clusters().values()) if (members.length > 1) placed += members.length
    return placed
  }

  /** Clusters whose true round trips break the bound, or that are too large. */
  violations(): string[] {
    const { boundMs, membersMax } = this.#options.rules ?? { boundMs: 15, membersMax: 64 }
    const violations: string[] = []
    for (const [cluster, members] of this.clusters()) {
      let far = 0
      for (const [place, one] of members.entries()) {
        for (const other of members.slice(place + 1)) {
          if (this.roundTripMs(one, other) > boundMs) far += 1
        }
      }
      if (far > farAllowed(members.length) || members.length > membersMax) violations.push(cluster)
    }
    return violations
  }

  faults(): string[] {
    return this.events.flatMap(({ event }) => (event.kind === 'rejected' ? [event.fault] : []))
  }

  #addHost(index: number): void {
    const id = nodeIdOf(this.random.bytes(32))
    const host: Host = {
      index,
      id,
      node: this.#makeNode(id, index),
      isUp: true,
      wakeAtMs: Number.POSITIVE_INFINITY,
      group: 0,
      bytesSent: 0,
    }
    this.hosts.push(host)
    this.#byId.set(id, host)
  }

  #makeNode(id: NodeId, index: number): Neighbourhood {
    const { seed, rules, coordinate } = this.#options
    return new Neighbourhood(
      { self: id, epoch: Math.floor(1_000_000 + this.nowMs), ...(rules && { rules }) },
      {
        random: seededRandom(seed * 7_919 + index + Math.floor(this.nowMs)),
        seal: sealOf(id, () => this.nowMs),
        coordinate: () => coordinate?.(index) ?? origin,
      },
      this.nowMs,
    )
  }

  #happen({ host, letter, input, atMs }: Occurrence): void {
    if (letter !== undefined) {
      if (letter.from.group !== host.group) return
      this.#step(host, { kind: 'message', from: letter.from.id, message: letter.message })
      return
    }
    if (input !== undefined) {
      this.#step(host, input)
      return
    }
    if (atMs >= host.wakeAtMs) this.#step(host, { kind: 'tick' })
  }

  #step(host: Host, input: NeighbourhoodInput): void {
    if (!host.isUp) return
    this.steps += 1
    const { sends, events, wakeAtMs } = host.node.step(input, this.nowMs)
    for (const { to, message } of sends) this.#transmit(host, to, message)
    for (const event of events) {
      if (event.kind === 'round-trip') continue // too many to keep
      this.events.push({ atMs: this.nowMs, index: host.index, event })
    }
    if (wakeAtMs >= host.wakeAtMs && host.wakeAtMs > this.nowMs) return
    host.wakeAtMs = wakeAtMs
    if (wakeAtMs === Number.POSITIVE_INFINITY) return
    this.#schedule({ atMs: Math.max(wakeAtMs, this.nowMs), order: this.#order++, host })
  }

  #transmit(from: Host, to: NodeId, message: NeighbourhoodMessage): void {
    from.bytesSent += neighbourhoodMessageBytes(message)
    const host = this.#byId.get(to)
    if (host === undefined || host.group !== from.group || !host.isUp) return
    if (message.kind === 'probe') {
      const [low, high] = [Math.min(from.index, host.index), Math.max(from.index, host.index)]
      this.measured.add(low * this.#options.count + high)
    }
    if (this.random.float() < (this.#options.loss ?? 0)) return
    const wayMs = this.roundTripMs(from.index, host.index) / 2
    const jitterMs = -wayMs * (this.#options.jitterShare ?? 0) * Math.log(1 - this.random.float())
    const atMs = this.nowMs + wayMs + jitterMs
    this.#schedule({ atMs, order: this.#order++, host, letter: { from, message } })
  }

  #schedule(occurrence: Occurrence): void {
    insert(this.#agenda, occurrence)
  }
}

/** A stand-in for Ed25519: only who knows the signer's name as a secret makes the same bytes. */
export function sealOf(self: NodeId, nowMs: () => number, signer: NodeId = self): ClaimSeal {
  return {
    sign(body) {
      const issuedAtMs = nowMs()
      return { ...body, issuedAtMs, signature: digest(body, issuedAtMs, signer) }
    },
    verify(claim: Claim): Verification {
      const expected = digest(claim, claim.issuedAtMs, claimantOf(claim))
      if (!claim.signature.every((byte, place) => byte === expected[place])) return 'forged'
      return nowMs() - claim.issuedAtMs > cardLifeMs && claim.kind === 'card' ? 'expired' : 'valid'
    },
  }
}

/** FNV-1a. */
function digest(body: ClaimBody, issuedAtMs: number, signer: NodeId): Uint8Array {
  let hash = hashed(0x811c9dc5, `${body.kind} ${body.cluster} ${issuedAtMs} ${signer}`)
  if (body.kind === 'card') hash = hashed(hash, `${body.id} ${body.epoch} ${body.clusterSize}`)
  else if (body.kind === 'standing') hash = hashed(hash, `${body.id} ${body.epoch} ${body.far}`)
  else {
    hash = hashed(hash, `${body.version}`)
    for (const { id, epoch } of body.seats) hash = hashed(hash, `${id.slice(0, 8)}${epoch}`)
  }
  return Uint8Array.of(hash, hash >> 8, hash >> 16, hash >> 24)
}

function hashed(start: number, text: string): number {
  let hash = start
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}
