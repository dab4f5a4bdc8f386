/**
 * The coordinator tells its region's gateways what its members say of their load.
 *
 * It checks what it hears, because it answers for what it tells. A gateway is told a new anchor
 * until it acknowledges it, an older one when it lacks it, and of each member the latest tick once:
 * the next one, soon after, replaces it. So a digest is a delta against what the gateway has,
 * also when somebody else told it, and a new coordinator begins with hardly more than ticks.
 */
import type { Clock } from '../../base/index.ts'
import {
  type ClusterDigest,
  type DigestAck,
  digestLimits,
  type GoneMember,
  type LoadAnchor,
  type LoadNews,
  type LoadTick,
  type NodeId,
  type NodeKey,
  nodeKeyOf,
  type Sealed,
} from '../../protocol/index.ts'
import { Outbox } from '../outbox.ts'
import { Conduct, type Lie } from './conduct.ts'
import { EntryBook } from './entry-book.ts'
import { digestTimes, viewLimits } from './limits.ts'
import type { NodeEntry } from './node-entry.ts'
import { type Receiver, Receivers } from './receivers.ts'
import type { OwnSeals } from './seals.ts'
import { Silence } from './silence.ts'
import type { LoadEvent, LoadOutputs, LoadSend } from './step.ts'

export interface MemberStanding {
  readonly id: NodeId
  readonly state: 'alive' | 'suspect' | 'dead' | 'left'
}

export type PublisherInput =
  | { readonly kind: 'tick' }
  /** Undefined: somebody else coordinates. */
  | { readonly kind: 'role'; readonly cluster: string | undefined }
  | { readonly kind: 'members'; readonly members: readonly MemberStanding[] }
  /** Those of the region, the nearest first. */
  | { readonly kind: 'gateways'; readonly gateways: readonly NodeId[] }
  | { readonly kind: 'news'; readonly from: NodeId; readonly news: LoadNews }
  | { readonly kind: 'ack'; readonly from: NodeId; readonly ack: DigestAck }

export interface PublisherModules {
  readonly clock: Pick<Clock, 'now'>
  readonly seals: OwnSeals
}

type News = Pick<ClusterDigest, 'anchors' | 'ticks' | 'gone'>

const out = new Outbox<LoadSend, LoadEvent>()

export class DigestPublisher {
  readonly #self: NodeId
  readonly #modules: PublisherModules
  readonly #conduct = new Conduct(digestLimits.ticksPerDigestMax)
  #book: EntryBook
  #cluster: string | undefined
  #sinceMs = 0
  /** Of the members, those that are not alive. */
  #doubted: readonly MemberStanding[] = []
  #isDoubtNew = false
  /** Who has spoken since everyone was told. */
  #spoken: NodeEntry[] = []
  /** Whose anchor is new. */
  #fresh: NodeEntry[] = []
  readonly #silence: Silence
  readonly #receivers = new Receivers()
  #sequence = 0
  #publishedAtMs = Number.NEGATIVE_INFINITY
  /** Until the next time, when there is something to tell. */
  #gapMs: number = digestTimes.publishMs
  #sweepAtMs = 0

  constructor(self: NodeId, modules: PublisherModules) {
    this.#self = self
    this.#modules = modules
    this.#silence = new Silence(self)
    this.#book = this.#emptyBook()
  }

  /** Gateways that are told now; the first passes it on. */
  get told(): readonly NodeId[] {
    return this.#receivers.told
  }

  /** Of a digest for so few, most would be its frame. */
  get #isSmall(): boolean {
    return this.#book.size <= viewLimits.fewMembers
  }

  /** Whoever has just begun alone is likely to be in another cluster soon. */
  #isNew(nowMs: number): boolean {
    return this.#book.size <= 1 && nowMs - this.#sinceMs < digestTimes.healingMs
  }

  step(input: PublisherInput, nowMs: number): LoadOutputs {
    out.clear()
    this.#take(input, nowMs)
    if (nowMs >= this.#wakeAtMs()) this.#publish(nowMs)
    return out.take(this.#wakeAtMs())
  }

  /** The first word after a silence is told at once; the next ones wait for others. */
  #wakeAtMs(): number {
    if (this.#cluster === undefined) return Number.POSITIVE_INFINITY
    const isNews = this.#spoken.length + this.#fresh.length > 0 || this.#isDoubtNew
    if (!isNews) return this.#publishedAtMs + digestTimes.quietMs
    // Nobody is left to wait for: also in a cluster of few, or of one.
    const isWhole = this.#spoken.length >= this.#book.size
    return this.#publishedAtMs + (isWhole ? digestTimes.publishMs : this.#gapMs)
  }

  #take(input: PublisherInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        return
      case 'role':
        this.#assume(input.cluster, nowMs)
        return
      case 'members':
        this.#doubt(input.members)
        return
      case 'gateways':
        this.#receivers.name(input.gateways, nowMs)
        this.#chooseReceivers(nowMs)
        return
      case 'news':
        this.#hear(input.from, input.news, nowMs)
        return
      case 'ack':
        this.#acknowledge(input.from, input.ack, nowMs)
        return
    }
  }

  #assume(cluster: string | undefined, nowMs: number): void {
    if (cluster === this.#cluster) return
    this.#cluster = cluster
    this.#sinceMs = nowMs
    this.#book = this.#emptyBook()
    this.#spoken = []
    this.#fresh = []
    this.#silence.clear()
    this.#receivers.clear()
    this.#publishedAtMs = Number.NEGATIVE_INFINITY
    if (cluster !== undefined) this.#chooseReceivers(nowMs)
  }

  #doubt(members: readonly MemberStanding[]): void {
    const before = this.#doubted
    this.#doubted = members.filter(({ state }) => state !== 'alive')
    for (const [i, { id, state }] of this.#doubted.entries()) {
      const known = before[i]
      if (known?.id !== id || known.state !== state) this.#isDoubtNew = true
    }
  }

  /** Members speak for themselves only. */
  #hear(from: NodeId, { anchors, ticks }: LoadNews, nowMs: number): void {
    if (this.#cluster === undefined) return
    const hearing = this.#conduct.hear(from, false, nowMs)
    if (hearing === 'flooding') this.#caught({ by: from, kind: 'flooding' }, nowMs)
    if (hearing !== 'heard') return
    if (anchors.length > 1 || ticks.length > 1) {
      this.#caught({ by: from, kind: 'not-its-own' }, nowMs)
      return
    }
    for (const anchor of anchors) if (!this.#takeAnchor(from, anchor, nowMs)) return
    for (const tick of ticks) this.#takeTick(from, tick, nowMs)
  }

  #takeAnchor(from: NodeId, anchor: Sealed<LoadAnchor>, nowMs: number): boolean {
    const { cluster, node } = anchor.value
    if (node !== from) {
      this.#caught({ by: from, kind: 'not-its-own', about: node }, nowMs)
      return false
    }
    // On its way to another cluster, or this one's coordinator is: no lie.
    if (cluster !== this.#cluster) return false
    const outcome = this.#book.takeAnchor(anchor, { id: from, introducedMax: 1 }, nowMs)
    if (outcome === 'forged') this.#caught({ by: from, kind: 'forged-anchor', about: node }, nowMs)
    if (outcome === 'contradiction') {
      this.#caught({ by: from, kind: 'contradiction', about: node }, nowMs)
    }
    if (outcome === 'untimely' || outcome === 'full') {
      out.note({ kind: 'refused', from, about: node, why: outcome })
    }
    if (outcome === 'taken') {
      const entry = this.#book.get(nodeKeyOf(node))
      if (entry !== undefined && !this.#fresh.includes(entry)) this.#fresh.push(entry)
    }
    return outcome === 'taken' || outcome === 'known'
  }

  #takeTick(from: NodeId, tick: LoadTick, nowMs: number): void {
    const { key } = tick
    if (!from.startsWith(key)) {
      this.#caught({ by: from, kind: 'not-its-own', about: key }, nowMs)
      return
    }
    const entry = this.#book.get(key)
    const at = { nowMs, wallMs: this.#modules.clock.now() }
    const outcome = entry === undefined ? 'unknown' : this.#book.takeTick(entry, tick, at)
    if (outcome === 'unknown') out.send({ to: from, message: { kind: 'wants', keys: [key] } })
    if (outcome === 'taken' && entry !== undefined) {
      this.#silence.over(key)
      if (!entry.isDue) this.#spoken.push(entry)
      entry.isDue = true
    }
    if (outcome === 'forged') this.#caught({ by: from, kind: 'forged-tick', about: from }, nowMs)
    if (outcome === 'contradiction') {
      this.#caught({ by: from, kind: 'contradiction', about: from }, nowMs)
    }
  }

  #acknowledge(from: NodeId, ack: DigestAck, nowMs: number): void {
    const receiver = this.#receivers.all.find(({ id }) => id === from)
    if (receiver === undefined || ack.cluster !== this.#cluster) return
    if (ack.sequence > this.#sequence) return
    const hearing = this.#conduct.hear(from, false, nowMs)
    if (hearing === 'flooding') this.#caught({ by: from, kind: 'flooding' }, nowMs)
    if (hearing !== 'heard') return
    receiver.ackAtMs = nowMs
    receiver.acknowledged = Math.max(receiver.acknowledged, ack.sequence)
    for (const told of receiver.anchors.values()) {
      if (told.inDigest === ack.sequence) told.acknowledged = true
    }
    this.#supply(receiver, ack.lacks, nowMs)
  }

  /** To that gateway alone: a digest would be passed on to those who do not lack it. */
  #supply(receiver: Receiver, lacks: readonly NodeKey[], nowMs: number): void {
    const anchors: Sealed<LoadAnchor>[] = []
    for (const key of lacks) {
      const entry = this.#book.get(key)
      // What is new comes in its turn.
      if (entry === undefined || this.#isDue(receiver, entry, nowMs)) continue
      anchors.push(entry.anchor)
    }
    const { anchorsPerDigestMax } = digestLimits
    for (let at = 0; at < anchors.length; at += anchorsPerDigestMax) {
      const part = anchors.slice(at, at + anchorsPerDigestMax)
      const news = { anchors: part, ticks: [], offers: [] }
      out.send({ to: receiver.id, message: { kind: 'news', news } })
    }
  }

  /** All are told the same, in one digest, unless one lacks more than the others. */
  #publish(nowMs: number): void {
    this.#publishedAtMs = nowMs
    this.#forget(nowMs)
    for (const id of this.#silence.look(this.#book.entries(), nowMs))
      out.note({ kind: 'silent', id })
    this.#chooseReceivers(nowMs)
    const { publishFewMs, publishMs, quietMs } = digestTimes
    const ticks = ticksOf(this.#spoken)
    for (const entry of this.#spoken) entry.isDue = false
    this.#spoken = []
    const gone = this.#gone()
    let [last, hasAnchors]: [Sealed<ClusterDigest> | undefined, boolean] = [undefined, false]
    for (const receiver of this.#receivers.all) {
      const isNew = receiver.toldAtMs === Number.NEGATIVE_INFINITY
      const news = {
        anchors: this.#anchorsFor(receiver, nowMs),
        ticks: isNew ? ticksOf(this.#book.entries()) : ticks,
        gone,
      }
      const isNews = news.anchors.length + news.ticks.length + gone.length > 0
      if (!isNews && nowMs - receiver.toldAtMs < quietMs) continue
      if (last === undefined || !isSame(last.value, news)) last = this.#digestOf(news)
      this.#noteTold(receiver, last.value, nowMs)
      hasAnchors ||= news.anchors.length > 0
      out.send({ to: receiver.id, message: { kind: 'digest', digest: last } })
    }
    this.#gapMs = this.#isSmall && !hasAnchors ? publishFewMs : publishMs
  }

  #digestOf(news: News): Sealed<ClusterDigest> {
    const { clock, seals } = this.#modules
    const issuedAtMs = clock.now()
    // Above those of an earlier life of this process.
    this.#sequence = Math.max(this.#sequence + 1, issuedAtMs)
    return seals.sealDigest({
      cluster: this.#cluster ?? '',
      coordinator: this.#self,
      sequence: this.#sequence,
      base: Math.min(...this.#receivers.all.map(({ acknowledged }) => acknowledged)),
      issuedAtMs,
      members: this.#book.size,
      told: this.#receivers.told,
      ...news,
    })
  }

  #noteTold(receiver: Receiver, { anchors, sequence: inDigest }: ClusterDigest, nowMs: number) {
    receiver.toldAtMs = nowMs
    for (const { value } of anchors) {
      const told = { sequence: value.sequence, inDigest, atMs: nowMs, acknowledged: false }
      receiver.anchors.set(nodeKeyOf(value.node), told)
    }
  }

  /** Of what is new as much as everyone can take at once. */
  #anchorsFor(receiver: Receiver, nowMs: number): readonly Sealed<LoadAnchor>[] {
    const anchors: Sealed<LoadAnchor>[] = []
    for (const entry of this.#fresh) {
      if (anchors.length >= viewLimits.freshAnchorsPerDigestMax) break
      if (this.#isDue(receiver, entry, nowMs)) anchors.push(entry.anchor)
    }
    return anchors
  }

  /** New, and not told or not acknowledged for a while. */
  #isDue(receiver: Receiver, entry: NodeEntry, nowMs: number): boolean {
    const { issuedAtMs, key, sequence } = entry
    if (this.#modules.clock.now() - issuedAtMs > digestTimes.anchorFreshMs) return false
    const told = receiver.anchors.get(key)
    if (told?.sequence !== sequence) return true
    return !told.acknowledged && nowMs - told.atMs >= digestTimes.resendMs
  }

  #gone(): GoneMember[] {
    this.#isDoubtNew = false
    const gone: GoneMember[] = []
    for (const { id, state } of this.#doubted) {
      if (state === 'alive' || gone.length >= digestLimits.gonePerDigestMax) continue
      const entry = this.#book.get(nodeKeyOf(id))
      if (entry === undefined) continue
      const { key, sequence, tick } = entry
      gone.push({ key, sequence, tick, state })
    }
    return gone
  }

  #forget(nowMs: number): void {
    if (nowMs >= this.#sweepAtMs) {
      this.#sweepAtMs = nowMs + digestTimes.sweepMs
      for (const { key } of this.#book.expire(nowMs)) this.#silence.over(key)
    }
    if (this.#fresh.length === 0) return
    const wallMs = this.#modules.clock.now()
    this.#fresh = this.#fresh.filter((entry) => {
      const isFresh = wallMs - entry.issuedAtMs <= digestTimes.anchorFreshMs
      if (isFresh && entry.cluster !== undefined) return true
      for (const { anchors } of this.#receivers.all) anchors.delete(entry.key)
      return false
    })
  }

  /** One who is new is told everything. */
  #chooseReceivers(nowMs: number): void {
    if (this.#cluster === undefined) return
    this.#receivers.choose(this.#isNew(nowMs) ? 1 : viewLimits.toldMax, nowMs)
  }

  #caught(lie: Lie, nowMs: number): void {
    this.#conduct.caught(lie, nowMs)
    const { kind, ...rest } = lie
    out.note({ kind: 'caught', lie: kind, ...rest })
  }

  #emptyBook(): EntryBook {
    const nodesMax = viewLimits.membersPerClusterMax
    const limits = { nodesMax, clustersMax: 1, membersPerClusterMax: nodesMax }
    return new EntryBook(limits, this.#modules)
  }
}

function ticksOf(entries: Iterable<NodeEntry>): readonly LoadTick[] {
  const ticks: LoadTick[] = []
  for (const { lastTick } of entries) {
    if (ticks.length >= digestLimits.ticksPerDigestMax) break
    if (lastTick !== undefined) ticks.push(lastTick)
  }
  return ticks
}

function isSame(one: News, other: News): boolean {
  if (one.ticks !== other.ticks || one.gone !== other.gone) return false
  if (one.anchors.length !== other.anchors.length) return false
  return one.anchors.every((anchor, i) => anchor === other.anchors[i])
}
