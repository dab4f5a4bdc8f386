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
import { Conduct, type Lie } from './conduct.ts'
import { Coordinators } from './coordinators.ts'
import { EntryBook } from './entry-book.ts'
import { digestTimes, viewLimits } from './limits.ts'
import { loadMessageBytes } from './message-bytes.ts'
import { isAnchorOf, type NodeEntry, positionOf } from './node-entry.ts'
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

/** How often what is old is looked for. */
const sweepMs = 5_000
/** A digest may be as old as clocks may differ, and as something may wait. */
const digestAgeMaxMs = 60_000

export class FederationView {
  readonly #self: NodeId
  readonly #modules: ViewModules
  readonly #book: EntryBook
  readonly #exchange: ViewExchange
  readonly #conduct = new Conduct(viewLimits.peersMax)
  readonly #coordinators = new Coordinators()
  #gateways: readonly NodeId[] = []
  #sweepAtMs: number
  #sends: LoadSend[] = []
  #events: LoadEvent[] = []

  constructor(self: NodeId, modules: ViewModules, nowMs: number) {
    this.#self = self
    this.#modules = modules
    this.#book = new EntryBook(viewLimits, modules)
    this.#exchange = new ViewExchange({ random: modules.random, book: this.#book }, nowMs)
    this.#sweepAtMs = nowMs + sweepMs
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

  *nodes(nowMs: number): IterableIterator<ViewedNode> {
    for (const entry of this.#book.entries()) {
      yield viewedNode(entry, this.#book.ageMs(entry, nowMs))
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
    this.#sends = []
    this.#events = []
    if (input.kind === 'gateways') {
      const others = input.gateways.filter((id) => id !== this.#self)
      this.#gateways = others.slice(0, viewLimits.gatewaysMax)
    } else if (input.kind === 'message') {
      this.#hear(input.from, input.message, nowMs)
    }
    const peers = this.#gateways.filter((id) => !this.#conduct.isMuted(id, nowMs))
    this.#sends.push(...this.#exchange.tick(peers, nowMs))
    if (nowMs >= this.#sweepAtMs) this.#sweep(nowMs)
    const wakeAtMs = Math.min(this.#exchange.wakeAtMs, this.#sweepAtMs)
    return { sends: this.#sends, events: this.#events, wakeAtMs }
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
        if (isGateway) this.#sends.push(...this.#exchange.answerWants(from, message.keys))
        return
      case 'summary':
        if (isGateway) this.#sends.push(...this.#exchange.answerSummary(from, message.summary))
        return
      case 'ack':
        // For coordinators.
        return
    }
  }

  #takeDigest(from: NodeId, sealed: Sealed<ClusterDigest>, nowMs: number): void {
    const digest = sealed.value
    const { cluster, coordinator, sequence } = digest
    const isOwn = coordinator === from
    if (!isOwn && !this.#gateways.includes(from)) {
      this.#caught({ by: from, kind: 'not-its-own', about: coordinator }, nowMs)
      return
    }
    if (this.#conduct.isMuted(coordinator, nowMs)) return
    const known = this.#coordinators.find(cluster, coordinator)
    if (known !== undefined && sequence <= known.sequence) {
      // Twice on the way; the acknowledgement may have been lost.
      if (isOwn) this.#acknowledge(digest, [])
      return
    }
    if (Math.abs(this.#modules.clock.now() - digest.issuedAtMs) > digestAgeMaxMs) return
    if (!this.#modules.seals.isDigestSealed(sealed)) {
      this.#caught({ by: from, kind: 'forged-digest', about: coordinator }, nowMs)
      return
    }
    const isTrue = this.#takeContents(from, digest, nowMs)
    this.#coordinators.note(digest, nowMs)
    if (!isTrue || !isOwn || digest.told[0] !== this.#self) return
    for (const to of this.#gateways) {
      const isTold = digest.told.includes(to) || to === from
      if (!isTold) this.#sends.push({ to, message: { kind: 'digest', digest: sealed } })
    }
  }

  /** False at the first forgery: what else is in there is not worth looking at. */
  #takeContents(from: NodeId, digest: ClusterDigest, nowMs: number): boolean {
    const { anchors, coordinator, cluster, ticks } = digest
    const lacks: NodeKey[] = []
    for (const anchor of anchors) {
      if (anchor.value.cluster !== cluster) {
        this.#caught({ by: coordinator, kind: 'misplaced', about: anchor.value.node }, nowMs)
        continue
      }
      if (!this.#takeAnchor(coordinator, anchor, nowMs)) return false
      const entry = this.#book.get(nodeKeyOf(anchor.value.node))
      if (entry === undefined) continue
      this.#noteTold(digest, { entry, told: positionOf(anchor.value.sequence, 0) }, nowMs)
    }
    for (const tick of ticks) {
      const entry = this.#book.get(tick.key)
      if (entry === undefined || entry.anchor.value.sequence < tick.sequence) {
        lacks.push(tick.key)
        continue
      }
      if (!this.#takeTick(coordinator, { entry, tick }, nowMs)) return false
      this.#noteTold(digest, { entry, told: positionOf(tick.sequence, tick.tick) }, nowMs)
    }
    for (const claim of digest.gone) this.#takeClaim(digest, claim, nowMs)
    if (coordinator === from) {
      const wanted = this.#exchange.choose(lacks, nowMs)
      this.#acknowledge(digest, wanted)
    } else if (lacks.length > 0) this.#sends.push(...this.#exchange.want(from, lacks, nowMs))
    return true
  }

  /** A coordinator never tells older things of a member than it told before. */
  #noteTold(
    { coordinator, cluster }: ClusterDigest,
    { entry, told }: { readonly entry: NodeEntry; readonly told: number },
    nowMs: number,
  ): void {
    if (entry.anchor.value.cluster !== cluster) return
    if (entry.toldBy === coordinator && told <= entry.toldPosition) {
      // An anchor is told until it is acknowledged, also when ticks of it were told already.
      const isAgain = isAnchorOf(told, entry.toldPosition) || told === entry.toldPosition
      if (!isAgain) this.#caught({ by: coordinator, kind: 'replay', about: entry.id }, nowMs)
      return
    }
    entry.toldBy = coordinator
    entry.toldPosition = told
    entry.toldAtMs = nowMs
  }

  /** Believed of members only, and until the one it speaks of speaks. */
  #takeClaim({ cluster, coordinator }: ClusterDigest, claim: GoneMember, nowMs: number): void {
    const entry = this.#book.get(claim.key)
    const claimant = this.#book.get(nodeKeyOf(coordinator))
    if (entry === undefined || entry.anchor.value.cluster !== cluster) return
    if (claimant?.anchor.value.cluster !== cluster) return
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

  #acknowledge(digest: ClusterDigest, lacking: readonly NodeKey[]): void {
    const { cluster, coordinator, sequence } = digest
    const lacks = lacking.slice(0, digestLimits.ticksPerDigestMax)
    const ack = { cluster, sequence, lacks }
    this.#sends.push({ to: coordinator, message: { kind: 'ack', ack } })
  }

  /** A gateway hands over only what it has checked. */
  #takeGatewaysNews(from: NodeId, { anchors, offers, ticks }: LoadNews, nowMs: number): void {
    for (const anchor of anchors) if (!this.#takeAnchor(from, anchor, nowMs)) return
    for (const tick of ticks) if (!this.#takeTickAlone(from, tick, nowMs)) return
    this.#sends.push(...this.#exchange.offered(from, offers, nowMs))
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
    for (const tick of ticks) if (!this.#takeTickAlone(from, tick, nowMs)) return
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
    this.#sends.push({ to: entry.id, message: { kind: 'wants', keys: [entry.key] } })
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
        this.#caught({ by: from, kind: 'forged-anchor', about: node }, nowMs)
        return false
      case 'contradiction':
        this.#caught({ by: node, kind: 'contradiction', about: node }, nowMs)
        return true
      case 'untimely':
      case 'full':
        this.#events.push({ kind: 'refused', from, about: node, why: outcome })
        return true
      case 'taken':
        if (before === undefined) this.#events.push({ kind: 'appeared', id: node, cluster })
        if (before === undefined || Buffer.compare(before, capabilities) !== 0) {
          this.#events.push({ kind: 'changed', id: node, capabilities })
        }
        return true
      case 'known':
      case 'stale':
        return true
    }
  }

  #takeTickAlone(from: NodeId, tick: LoadTick, nowMs: number): boolean {
    const entry = this.#book.get(tick.key)
    return entry === undefined || this.#takeTick(from, { entry, tick }, nowMs)
  }

  #takeTick(
    from: NodeId,
    { entry, tick }: { readonly entry: NodeEntry; readonly tick: LoadTick },
    nowMs: number,
  ): boolean {
    const outcome = this.#book.takeTickOf(entry, tick, nowMs)
    if (outcome === 'contradiction') {
      const { id } = entry
      this.#caught({ by: id, kind: 'contradiction', about: id }, nowMs)
    }
    if (outcome !== 'forged') return true
    this.#caught({ by: from, kind: 'forged-tick', about: tick.key }, nowMs)
    return false
  }

  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + sweepMs
    for (const { id } of this.#book.expire(nowMs)) this.#events.push({ kind: 'expired', id })
    this.#coordinators.expire(nowMs - digestTimes.expireAfterMs)
  }

  #caught(lie: Lie, nowMs: number): void {
    this.#conduct.caught(lie, nowMs)
    const { kind, ...rest } = lie
    this.#events.push({ kind: 'caught', lie: kind, ...rest })
  }
}
