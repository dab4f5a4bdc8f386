/**
 * What a gateway knows of the whole federation's load: every entry checked down to its node's own
 * signature, with its age.
 *
 * Digests come from the coordinators of the gateway's region, are passed on to the other gateways,
 * and what is lost on the way is mended by comparing views. Whoever hands over something that is
 * not so is caught: the coordinator by its signature on the digest, a gateway or a node by the
 * connection, because an honest one checks before it passes anything on.
 */
import type { Clock, Random } from '../../base/index.ts'
import {
  type ClusterDigest,
  digestLimits,
  type GoneMember,
  type LoadAnchor,
  type LoadMessage,
  type LoadNews,
  type LoadTick,
  type NodeId,
  type NodeKey,
  nodeKeyOf,
  type Sealed,
} from '../../protocol/index.ts'
import { Outbox } from '../outbox.ts'
import { Conduct, type Lie } from './conduct.ts'
import { type Coordinator, Coordinators } from './coordinators.ts'
import { EntryBook, type Moment } from './entry-book.ts'
import { digestTimes, viewLimits } from './limits.ts'
import { loadMessageBytes } from './message-bytes.ts'
import { type ClusterEntry, type NodeEntry, positionOf, type Told } from './node-entry.ts'
import type { LoadSeals } from './seals.ts'
import type { LoadEvent, LoadOutputs, LoadSend } from './step.ts'
import { ViewExchange } from './view-exchange.ts'
import {
  type NodeState,
  type RegionView,
  regionsOf,
  statesOf,
  type ViewedNode,
  viewedNode,
} from './view-reading.ts'

export type ViewInput =
  | { readonly kind: 'tick' }
  /** The federation's other gateways, as they are known now. */
  | { readonly kind: 'gateways'; readonly gateways: readonly NodeId[] }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: LoadMessage }

export interface ViewModules {
  readonly random: Random
  readonly clock: Pick<Clock, 'now'>
  readonly seals: LoadSeals
}

const nobody: readonly NodeKey[] = []
/** A digest may be as old as clocks may differ, and as something may wait. */
const digestAgeMaxMs = 60_000

const out = new Outbox<LoadSend, LoadEvent>()

export class FederationView {
  readonly #self: NodeId
  readonly #modules: ViewModules
  readonly #book: EntryBook
  readonly #exchange: ViewExchange
  readonly #conduct = new Conduct(viewLimits.peersMax)
  readonly #coordinators = new Coordinators()
  #gateways: readonly NodeId[] = []
  #sweepAtMs: number
  /** The digest that is looked at. */
  #shown: Sealed<ClusterDigest> | undefined

  constructor(self: NodeId, modules: ViewModules, nowMs: number) {
    this.#self = self
    this.#modules = modules
    this.#book = new EntryBook(viewLimits, modules)
    this.#exchange = new ViewExchange({ random: modules.random, book: this.#book }, nowMs)
    this.#sweepAtMs = nowMs + digestTimes.sweepMs
  }

  get size(): number {
    return this.#book.size
  }

  get lies(): ReadonlyMap<Lie['kind'], number> {
    return this.#conduct.counts
  }

  liesOf(id: NodeId): number {
    return this.#conduct.liesOf(id)
  }

  node(id: NodeId, nowMs: number): ViewedNode | undefined {
    const entry = this.#book.get(nodeKeyOf(id))
    return entry === undefined ? undefined : viewedNode(entry, this.#book.ageMs(entry, nowMs))
  }

  *ages(nowMs: number): IterableIterator<Pick<ViewedNode, 'id' | 'ageMs'>> {
    for (const entry of this.#book.entries()) {
      yield { id: entry.id, ageMs: this.#book.ageMs(entry, nowMs) }
    }
  }

  states(nowMs: number): Readonly<Record<NodeState, number>> {
    return statesOf(this.#book, nowMs)
  }

  /** Region → cluster → node, each in the order of its name. */
  regions(nowMs: number): RegionView[] {
    return regionsOf(this.#book, this.#coordinators, nowMs)
  }

  step(input: ViewInput, nowMs: number): LoadOutputs {
    out.clear()
    if (input.kind === 'gateways') {
      const others = input.gateways.filter((id) => id !== this.#self)
      this.#gateways = others.slice(0, viewLimits.gatewaysMax)
    } else if (input.kind === 'message') {
      this.#hear(input.from, input.message, nowMs)
    }
    if (nowMs >= this.#exchange.wakeAtMs) {
      const peers = this.#gateways.filter((id) => !this.#conduct.isMuted(id, nowMs))
      out.sendAll(this.#exchange.tick(peers, nowMs))
    }
    if (nowMs >= this.#sweepAtMs) this.#sweep(nowMs)
    const wakeAtMs = Math.min(this.#exchange.wakeAtMs, this.#sweepAtMs)
    return out.take(wakeAtMs)
  }

  #hear(from: NodeId, message: LoadMessage, nowMs: number): void {
    const isGateway = this.#gateways.includes(from)
    const hearing = this.#conduct.hear(from, isGateway, nowMs)
    if (hearing === 'flooding') this.#caught({ by: from, kind: 'flooding' }, nowMs)
    if (hearing !== 'heard') return
    // News of many are what was asked for.
    const isAskedFor = message.kind === 'news' && (isGateway || message.news.anchors.length > 1)
    if (!isAskedFor) this.#exchange.heard(loadMessageBytes(message))
    switch (message.kind) {
      case 'digest':
        this.#takeDigest(from, message.digest, nowMs)
        return
      case 'news':
        if (isGateway) this.#takeGatewaysNews(from, message.news, nowMs)
        else this.#takeNodesNews(from, message.news, nowMs)
        return
      case 'wants':
        if (isGateway) out.sendAll(this.#exchange.answerWants(from, message.keys))
        return
      case 'summary':
        if (isGateway) out.sendAll(this.#exchange.answerSummary(from, message.summary))
        return
      case 'ack':
        // For coordinators.
        return
    }
  }

  #takeDigest(from: NodeId, sealed: Sealed<ClusterDigest>, nowMs: number): void {
    const digest = sealed.value
    const { coordinator, sequence } = digest
    const isOwn = coordinator === from
    if (!isOwn && !this.#gateways.includes(from)) {
      this.#caught({ by: from, kind: 'not-its-own', about: coordinator }, nowMs)
      return
    }
    if (!isOwn && this.#conduct.isMuted(coordinator, nowMs)) return
    const by = this.#coordinators.whose(digest)
    if (sequence <= by.sequence) {
      // Twice on the way; the acknowledgement may have been lost.
      if (isOwn) this.#acknowledge(digest, by, { lacks: [], nowMs })
      return
    }
    const at = { nowMs, wallMs: this.#modules.clock.now() }
    if (Math.abs(at.wallMs - digest.issuedAtMs) > digestAgeMaxMs) return
    if (!this.#modules.seals.isDigestSealed(sealed)) {
      this.#caught({ by: from, kind: 'forged-digest', about: coordinator }, nowMs)
      return
    }
    this.#shown = sealed
    const lacks = this.#takeContents(by, digest, at)
    this.#shown = undefined
    this.#coordinators.note(by, sequence, nowMs)
    if (lacks === undefined) return
    if (isOwn) this.#acknowledge(digest, by, { lacks: this.#exchange.choose(lacks, nowMs), nowMs })
    else if (lacks.length > 0) out.sendAll(this.#exchange.want(from, lacks, nowMs))
    if (!isOwn || digest.told[0] !== this.#self) return
    for (const to of this.#gateways) {
      const isTold = digest.told.includes(to) || to === from
      if (!isTold) out.send({ to, message: { kind: 'digest', digest: sealed } })
    }
  }

  /**
   * @returns whose anchors are lacking; undefined at the first forgery: what else is in there is
   *   not worth looking at
   */
  #takeContents(
    by: Coordinator,
    digest: ClusterDigest,
    at: Moment,
  ): readonly NodeKey[] | undefined {
    const { anchors, coordinator, ticks } = digest
    for (const anchor of anchors) {
      const { cluster, node, sequence } = anchor.value
      if (cluster !== by.cluster) {
        this.#caught({ by: coordinator, kind: 'misplaced', about: node }, at.nowMs)
        continue
      }
      if (!this.#takeAnchor(coordinator, anchor, at.nowMs)) return undefined
      const entry = this.#book.get(nodeKeyOf(node))
      if (entry?.cluster?.id !== cluster) continue
      this.#noteTold(entry, { by: by.id, sequence, tick: 0 }, at.nowMs)
    }
    let lacks: NodeKey[] | undefined
    const home = this.#book.clusters.get(by.cluster)
    for (const tick of ticks) {
      const entry = this.#entryAfter(by, tick.key)
      if (entry === undefined || entry.sequence < tick.sequence) {
        lacks ??= []
        lacks.push(tick.key)
        continue
      }
      if (!this.#takeTick(coordinator, { entry, tick }, at)) return undefined
      if (entry.cluster !== home) continue
      const { sequence } = tick
      this.#noteTold(entry, { by: by.id, sequence, tick: tick.tick }, at.nowMs)
    }
    for (const claim of digest.gone) this.#takeClaim(home, { claim, by: coordinator }, at.nowMs)
    return lacks ?? nobody
  }

  /** Members are told of in the same order each time, more or less. */
  #entryAfter(by: Coordinator, key: NodeKey): NodeEntry | undefined {
    const { told } = by
    let entry = told?.follower
    if (entry?.key !== key || entry.cluster === undefined) {
      entry = this.#book.get(key)
      if (told !== undefined) told.follower = entry
    }
    if (entry !== undefined) by.told = entry
    return entry
  }

  /** A coordinator never tells older things of a member than it told before. */
  #noteTold(entry: NodeEntry, told: Told, nowMs: number): void {
    if (entry.noteTold(told, nowMs)) return
    this.#caught({ by: told.by, kind: 'replay', about: entry.id }, nowMs)
  }

  /** Believed of members only, and until the one it speaks of speaks. */
  #takeClaim(
    home: ClusterEntry | undefined,
    { by: coordinator, claim }: { readonly claim: GoneMember; readonly by: NodeId },
    nowMs: number,
  ): void {
    const entry = this.#book.get(claim.key)
    const claimant = this.#book.get(nodeKeyOf(coordinator))
    if (home === undefined || entry?.cluster !== home || claimant?.cluster !== home) return
    const position = positionOf(claim.sequence, claim.tick)
    if (position < entry.position) {
      // Said of one that has spoken since, and for longer than a healing partition excuses.
      const { healingMs, lateAfterMs } = digestTimes
      const isSpeaking = nowMs - entry.heardAtMs < lateAfterMs
      const hadTime =
        nowMs - entry.toldAtMs > lateAfterMs && nowMs - entry.speakingSinceMs > healingMs
      if (claim.state === 'dead' && isSpeaking && hadTime) {
        this.#caught({ by: coordinator, kind: 'false-death', about: entry.id }, nowMs)
      }
      return
    }
    entry.gone = { state: claim.state, position: entry.position, by: coordinator }
  }

  /** When that says something new, and else now and then. */
  #acknowledge(
    { anchors, cluster, coordinator, sequence }: ClusterDigest,
    by: Coordinator,
    { lacks, nowMs }: { readonly lacks: readonly NodeKey[]; readonly nowMs: number },
  ): void {
    const isNews = anchors.length > 0 || lacks.length > 0
    if (!isNews && nowMs - by.ackedAtMs < digestTimes.ackMs) return
    by.ackedAtMs = nowMs
    const ack = { cluster, sequence, lacks: lacks.slice(0, digestLimits.ticksPerDigestMax) }
    out.send({ to: coordinator, message: { kind: 'ack', ack } })
  }

  /** A gateway hands over only what it has checked. */
  #takeGatewaysNews(from: NodeId, { anchors, offers, ticks }: LoadNews, nowMs: number): void {
    for (const anchor of anchors) if (!this.#takeAnchor(from, anchor, nowMs)) return
    if (!this.#takeTicks(from, ticks, nowMs)) return
    out.sendAll(this.#exchange.offered(from, offers, nowMs))
  }

  /** A node speaks of itself, past its coordinator; or a coordinator is asked for anchors. */
  #takeNodesNews(from: NodeId, { anchors, ticks }: LoadNews, nowMs: number): void {
    const key = nodeKeyOf(from)
    const isOwn = ({ value }: Sealed<LoadAnchor>) =>
      value.node === from || this.#coordinators.find(value.cluster, from) !== undefined
    if (!anchors.every(isOwn) || ticks.some((tick) => tick.key !== key)) {
      this.#caught({ by: from, kind: 'not-its-own' }, nowMs)
      return
    }
    for (const anchor of anchors) if (!this.#takeAnchor(from, anchor, nowMs)) return
    if (!this.#takeTicks(from, ticks, nowMs)) return
    if (!anchors.some(({ value }) => value.node === from) && ticks.length === 0) return
    const entry = this.#book.get(key)
    if (entry !== undefined) this.#checkOmission(entry, nowMs)
  }

  /**
   * A node of which no digest tells is asked to speak directly. When it has done so for longer
   * than a partition takes to heal, and one coordinator tells of its cluster all the while and not
   * of it, it is left out. While two tell, members are between them, and neither is to blame.
   */
  #checkOmission(entry: NodeEntry, nowMs: number): void {
    const { healingMs, lateAfterMs, untoldMs } = digestTimes
    const hasPaused = nowMs - entry.directAtMs > lateAfterMs
    entry.directAtMs = nowMs
    if (hasPaused) entry.directSinceMs = nowMs
    const told = this.#coordinators.of(entry.anchor.value.cluster)
    const [current, another] = told.filter(({ atMs }) => nowMs - atMs < healingMs)
    if (current?.id === entry.id || nowMs - entry.toldAtMs < untoldMs) return
    const isLong = nowMs - Math.max(entry.directSinceMs, entry.toldAtMs) >= healingMs
    if (!hasPaused && !isLong) return
    out.send({ to: entry.id, message: { kind: 'wants', keys: [entry.key] } })
    if (!isLong) return
    // Once for each such time, not for each word.
    entry.directSinceMs = nowMs
    if (current === undefined || another !== undefined) return
    const isTelling = nowMs - current.atMs < lateAfterMs && nowMs - current.sinceMs >= healingMs
    if (isTelling) this.#caught({ by: current.id, kind: 'omission', about: entry.id }, nowMs)
  }

  #takeAnchor(from: NodeId, anchor: Sealed<LoadAnchor>, nowMs: number): boolean {
    const { capabilities, cluster, node } = anchor.value
    const before = this.#book.get(nodeKeyOf(node))?.anchor.value.capabilities
    const { introducedPerGatewayMax, introducedPerPeerMax } = viewLimits
    const isGateway = this.#gateways.includes(from)
    const introducedMax = isGateway ? introducedPerGatewayMax : introducedPerPeerMax
    const outcome = this.#book.takeAnchor(anchor, { id: from, introducedMax }, nowMs)
    switch (outcome) {
      case 'forged':
        this.#caught({ by: from, kind: 'forged-anchor', about: node, ...this.#proof() }, nowMs)
        return false
      case 'contradiction':
        this.#caught({ by: node, kind: 'contradiction', about: node }, nowMs)
        return true
      case 'untimely':
      case 'full':
        out.note({ kind: 'refused', from, about: node, why: outcome })
        return true
      case 'taken':
        if (before === undefined) out.note({ kind: 'appeared', id: node, cluster })
        if (before === undefined || Buffer.compare(before, capabilities) !== 0) {
          out.note({ kind: 'changed', id: node, capabilities })
        }
        return true
      case 'known':
      case 'stale':
        return true
    }
  }

  #takeTicks(from: NodeId, ticks: readonly LoadTick[], nowMs: number): boolean {
    const at = { nowMs, wallMs: this.#modules.clock.now() }
    for (const tick of ticks) {
      const entry = this.#book.get(tick.key)
      if (entry !== undefined && !this.#takeTick(from, { entry, tick }, at)) return false
    }
    return true
  }

  #takeTick(
    from: NodeId,
    { entry, tick }: { readonly entry: NodeEntry; readonly tick: LoadTick },
    at: Moment,
  ): boolean {
    // Two levels for one tick convict nobody: who knows a node's next tick can make this one of it.
    if (this.#book.takeTick(entry, tick, at) !== 'forged') return true
    this.#caught({ by: from, kind: 'forged-tick', about: tick.key }, at.nowMs)
    return false
  }

  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + digestTimes.sweepMs
    for (const { id } of this.#book.expire(nowMs)) out.note({ kind: 'expired', id })
    this.#coordinators.expire(nowMs - digestTimes.expireAfterMs)
  }

  /** What its coordinator has signed with what is in there. */
  #proof(): Pick<Lie, 'shown'> {
    return this.#shown === undefined ? {} : { shown: this.#shown }
  }

  #caught(lie: Lie, nowMs: number): void {
    this.#conduct.caught(lie, nowMs)
    const { kind, ...rest } = lie
    out.note({ kind: 'caught', lie: kind, ...rest })
  }
}
