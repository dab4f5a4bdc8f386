/**
 * One thread's share of a simulated mesh: its hosts in a world, what befalls them, and what was
 * seen since the last report. A run with one thread has one part.
 */
import { type Random, seededRandom } from '../../base/index.ts'
import { type NodeId, nodeIdOf } from '../../protocol/index.ts'
import type { Belief } from '../checkers/beliefs.ts'
import { type Fault, planFaults } from '../faults.ts'
import { Links } from '../network/links.ts'
import { Placement } from '../network/placement.ts'
import { CheapSeal } from '../seal.ts'
import { type Cut, cutHosts } from '../threads/cut.ts'
import type { Words } from '../threads/words.ts'
import { type Share, World } from '../world.ts'
import { Gateways } from './gateways.ts'
import type { HostKind, MeshHost } from './host.ts'
import type { HostEvent } from './host-event.ts'
import { memberHosts } from './member-host.ts'
import type { MemberMessage } from './member-message.ts'
import { type MeshRunOptions, wallStartMs } from './options.ts'
import { PartMail } from './part-mail.ts'
import { ViewAges, type ViewAgesReport } from './view-ages.ts'

/** What both the parts of a run and its monitor derive from the options alone. */
export interface Setting {
  readonly options: MeshRunOptions
  readonly ids: readonly NodeId[]
  readonly placement: Placement
  readonly gateways: Gateways
  readonly faults: readonly Fault[]
}

export function settingOf(options: MeshRunOptions): Setting {
  const { seed, nodes, matrix, faults, lengthMs } = options
  const random = seededRandom(seed)
  const placement = new Placement(matrix, nodes, random)
  const ids = Array.from({ length: nodes }, () => nodeIdOf(random.bytes(idBytes)))
  const gateways = new Gateways(options.gateways, placement, ids)
  const plan = planFaults({ rates: faults, lengthMs }, placement, random)
  return { options, ids, placement, gateways, faults: plan }
}

/** What a gateway does for each node that it is told of, of what that node does itself. */
const toldShare = 0.04

/** The same wherever it is asked. */
export function cutOf({ gateways, options, placement }: Setting, parts: number): Cut {
  const weight = 1 + toldShare * options.nodes
  return cutHosts(placement, parts, { hosts: gateways.hosts, weight })
}

export const beliefCodes: readonly Belief[] = ['unknown', 'alive', 'dead']

export interface PartReport {
  readonly atMs: number
  /** Hosts whose cluster is another than at the last report; undefined: the process is gone. */
  readonly claims: readonly (readonly [host: number, cluster: string | undefined])[]
  /**
   * Observer, subject, and the belief's place in `beliefCodes`; three numbers for each. A subject
   * of -1: it is in another cluster, and starts anew.
   */
  readonly beliefs: readonly number[]
  /** Ms from a crash until a member knew. */
  readonly detectionsMs: readonly number[]
  /** Who was believed dead while it was up and in reach, and had been for a while. */
  readonly falseDeaths: number
  /** Pairs of which one host now knows the way to the other: lesser * hosts + greater. */
  readonly pairsMeasured: readonly number[]
  /** Of what gateways know of steady nodes within reach, now and then. */
  readonly ages: ViewAgesReport
  /** Since the beginning. */
  readonly totals: PartTotals
}

/** With more hosts, which pairs were measured is not kept: it grows with their square. */
export const pairsHostsMax = 4_096

export interface PartTotals {
  readonly messages: number
  readonly bytesSent: number
  /** By nodes; gateways are meant to say more. */
  readonly bytesBySubject: Readonly<Record<string, number>>
  /** Of the host that has sent most. */
  readonly bytesSentMost: number
  /** Of the gateway that was told most. */
  readonly gatewayBytesInMost: number
  readonly seen: Readonly<Record<string, number>>
}

const idBytes = 32
const seedsPerHost = 3
/** Up, awake and in reach for this long, nobody has a reason to think it dead. */
const steadyMs = 10_000

export class MeshPart {
  readonly #setting: Setting
  readonly #world: World<MemberMessage, HostEvent>
  readonly #kind: HostKind<MemberMessage>
  readonly #mail = new PartMail()
  readonly #seal: CheapSeal
  readonly #life: Int32Array
  readonly #crashedAtMs: Float64Array
  readonly #seen = new Map<string, number>()
  readonly #bytesBySubject: number[]
  readonly #measured = new Set<number>()
  #pairsMeasured: number[] = []
  #claims: [number, string | undefined][] = []
  #beliefs: number[] = []
  #detectionsMs: number[] = []
  #falseDeaths = 0
  readonly #ages: ViewAges

  /** @param share undefined: all hosts are here */
  constructor(setting: Setting, share?: Share) {
    const { options, ids, placement, faults } = setting
    this.#setting = setting
    this.#seal = new CheapSeal(ids)
    this.#life = new Int32Array(ids.length)
    this.#crashedAtMs = new Float64Array(ids.length).fill(Number.NEGATIVE_INFINITY)
    this.#kind = memberHosts(options.boundMs)
    this.#bytesBySubject = new Array<number>(this.#kind.subjects.length).fill(0)
    const links = new Links(options, placement)
    this.#world = new World({
      share,
      ids,
      links,
      bytesOf: (message, host) => this.#weigh(message, host),
      onEvent: (host, event, nowMs) => this.#note(host, event, nowMs),
    })
    this.#ages = new ViewAges(
      this.#world,
      setting.gateways,
      (host) => (this.#world.actor(host) as MeshHost<MemberMessage> | undefined)?.view,
    )
    for (const fault of faults) this.#world.at(fault.atMs, () => this.#befall(fault))
  }

  run(untilMs: number): void {
    this.#world.run(untilMs)
  }

  /** What hosts have said to those of other parts since the last time, by part. */
  takeWords(): readonly Words[] {
    return this.#world.takeParcels().map((parcels, to) => this.#mail.packed(parcels, to))
  }

  /** What those of another part have said to hosts of this one, in the order in which they did. */
  accept(words: Words, from: number): void {
    this.#world.accept(this.#mail.unpacked(words, from))
  }

  /** What was seen since the last one. */
  report(): PartReport {
    const { messages, bytesSent, nowMs } = this.#world
    const report: PartReport = {
      atMs: nowMs,
      claims: this.#claims,
      beliefs: this.#beliefs,
      detectionsMs: this.#detectionsMs,
      falseDeaths: this.#falseDeaths,
      ages: this.#ages.take(nowMs),
      pairsMeasured: this.#pairsMeasured,
      totals: {
        messages,
        bytesSent: bytesSent.reduce((sum, bytes) => sum + bytes, 0),
        bytesBySubject: Object.fromEntries(
          this.#kind.subjects.map((subject, place) => [subject, this.#bytesBySubject[place] ?? 0]),
        ),
        bytesSentMost: this.#bytesSentMost(),
        gatewayBytesInMost: this.#gatewayBytesInMost(),
        seen: Object.fromEntries(this.#seen),
      },
    }
    this.#claims = []
    this.#pairsMeasured = []
    this.#beliefs = []
    this.#detectionsMs = []
    this.#falseDeaths = 0
    return report
  }

  /** Each message is weighed once, when it is sent. */
  #weigh(message: MemberMessage, host: number): number {
    const bytes = this.#kind.bytesOf(message)
    if (this.#setting.gateways.has(host)) return bytes
    const subject = this.#kind.subjectOf(message)
    this.#bytesBySubject[subject] = (this.#bytesBySubject[subject] ?? 0) + bytes
    return bytes
  }

  /** Of nodes: gateways are meant to say more. */
  #bytesSentMost(): number {
    const { gateways } = this.#setting
    return this.#world.bytesSent.reduce(
      (most, bytes, host) => (gateways.has(host) ? most : Math.max(most, bytes)),
      0,
    )
  }

  #gatewayBytesInMost(): number {
    let most = 0
    for (const host of this.#setting.gateways.hosts) {
      most = Math.max(most, this.#world.bytesReceived[host] as number)
    }
    return most
  }

  #befall(fault: Fault): void {
    const world = this.#world
    switch (fault.kind) {
      case 'start':
        this.#start(fault.host)
        return
      case 'crash':
        this.#crashedAtMs[fault.host] = world.nowMs
        if (world.owns(fault.host)) this.#claims.push([fault.host, undefined])
        world.crash(fault.host)
        return
      case 'pause':
        world.pause(fault.host, fault.forMs)
        return
      case 'part': {
        const apart = new Set(fault.hosts)
        world.part((host) => (apart.has(host) ? 1 : 0))
        return
      }
      case 'heal':
        world.part(() => 0)
    }
  }

  #start(host: number): void {
    const life = (this.#life[host] as number) + 1
    this.#life[host] = life
    const { ids, options } = this.#setting
    const world = this.#world
    if (!world.owns(host)) {
      world.start(host, undefined)
      return
    }
    const random = seededRandom(options.seed + Math.imul(host + 1, 0x9e3779b1) + life)
    const wallMs = () => wallStartMs + world.nowMs
    const actor = this.#kind.make({
      host,
      id: ids[host] as NodeId,
      life,
      random,
      seal: this.#seal,
      seeds: this.#seedsOf(host, random),
      isGateway: this.#setting.gateways.has(host),
      ...this.#setting.gateways.knownBy(host),
      nowMs: () => world.nowMs,
      wallMs,
    })
    world.start(host, actor)
  }

  /** A gateway, and any other members: of those that start within the first seconds. */
  #seedsOf(host: number, random: Random): readonly NodeId[] {
    const { ids, gateways } = this.#setting
    const seeds = [gateways.hosts[random.below(gateways.hosts.length)] ?? 0]
    while (seeds.length < Math.min(seedsPerHost, ids.length)) seeds.push(random.below(ids.length))
    return seeds.filter((seed) => seed !== host).map((seed) => ids[seed] as NodeId)
  }

  #note(observer: number, event: HostEvent, nowMs: number): void {
    if (event.kind === 'seen') {
      this.#seen.set(event.what, (this.#seen.get(event.what) ?? 0) + 1)
      return
    }
    if (event.kind === 'measured') {
      if (this.#world.hosts <= pairsHostsMax) this.#noteMeasured(observer, event.peer)
      return
    }
    if (event.kind === 'cluster') {
      this.#claims.push([observer, event.id])
      this.#beliefs.push(observer, -1, 0)
      return
    }
    const subject = this.#world.indexOf(event.subject)
    this.#beliefs.push(observer, subject, beliefCodes.indexOf(event.belief))
    if (event.belief === 'dead') this.#noteDeath(observer, subject, nowMs)
  }

  #noteMeasured(observer: number, id: NodeId): void {
    const { hosts } = this.#world
    const peer = this.#world.indexOf(id)
    if (peer < 0) return
    const pair = Math.min(observer, peer) * hosts + Math.max(observer, peer)
    if (this.#measured.has(pair)) return
    this.#measured.add(pair)
    this.#pairsMeasured.push(pair)
  }

  #noteDeath(observer: number, subject: number, nowMs: number): void {
    const world = this.#world
    if (!world.isUp(subject)) {
      this.#detectionsMs.push(nowMs - (this.#crashedAtMs[subject] as number))
      return
    }
    const isInReach = world.groupOf(observer) === world.groupOf(subject)
    const steadySinceMs = Math.max(world.steadySinceMs(subject), world.steadySinceMs(observer))
    if (isInReach && nowMs - steadySinceMs >= steadyMs) this.#falseDeaths += 1
  }
}
