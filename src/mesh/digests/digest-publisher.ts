/**
 * The coordinator tells its region's gateways what its members say of their load.
 *
 * It checks what it hears, because it answers for what it tells. A gateway is told a new anchor
 * until it acknowledges it, an older one when it lacks it, and of each member the latest tick once:
 * the next one, a second later, replaces it. So a digest is a delta against what the gateway has,
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
import { Conduct, type Lie } from './conduct.ts'
import { EntryBook } from './entry-book.ts'
import { digestTimes, viewLimits } from './limits.ts'
import type { NodeEntry } from './node-entry.ts'
import type { OwnSeals } from './seals.ts'
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

/** What a gateway was told, and has said that it knows. */
interface Receiver {
  readonly id: NodeId
  readonly anchors: Map<NodeKey, ToldAnchor>
  readonly ticks: Map<NodeKey, number>
  toldAtMs: number
  acknowledged: number
  ackAtMs: number
}

interface ToldAnchor {
  readonly sequence: number
  readonly inDigest: number
  readonly atMs: number
  acknowledged: boolean
}

export class DigestPublisher {
  readonly #self: NodeId
  readonly #modules: PublisherModules
  readonly #conduct = new Conduct(digestLimits.ticksPerDigestMax)
  #book: EntryBook
  #cluster: string | undefined
  #sinceMs = 0
  #members = new Map<NodeKey, MemberStanding>()
  #gateways: readonly NodeId[] = []
  #receivers: Receiver[] = []
  /** Gateways that acknowledged nothing, and since when they wait for another turn. */
  readonly #silent = new Map<NodeId, number>()
  #sequence = 0
  #publishAtMs = Number.POSITIVE_INFINITY
  #sends: LoadSend[] = []
  #events: LoadEvent[] = []

  constructor(self: NodeId, modules: PublisherModules) {
    this.#self = self
    this.#modules = modules
    this.#book = this.#emptyBook()
  }

  /** Gateways that are told now; the first passes it on. */
  get told(): readonly NodeId[] {
    return this.#receivers.map(({ id }) => id)
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
    this.#sends = []
    this.#events = []
    this.#take(input, nowMs)
    if (nowMs >= this.#publishAtMs) {
      const { publishMs, publishFewMs } = digestTimes
      const hasAnchors = this.#publish(nowMs)
      this.#publishAtMs = nowMs + (this.#isSmall && !hasAnchors ? publishFewMs : publishMs)
    }
    return { sends: this.#sends, events: this.#events, wakeAtMs: this.#publishAtMs }
  }

  #take(input: PublisherInput, nowMs: number): void {
    switch (input.kind) {
      case 'tick':
        return
      case 'role':
        this.#assume(input.cluster, nowMs)
        return
      case 'members':
        this.#members = new Map(input.members.map((member) => [nodeKeyOf(member.id), member]))
        return
      case 'gateways':
        this.#gateways = this.#silentLast(input.gateways.slice(0, viewLimits.gatewaysMax), nowMs)
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
    this.#receivers = []
    this.#publishAtMs = cluster === undefined ? Number.POSITIVE_INFINITY : nowMs
    if (cluster !== undefined) this.#chooseReceivers(nowMs)
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
      this.#events.push({ kind: 'refused', from, about: node, why: outcome })
    }
    return outcome === 'taken' || outcome === 'known'
  }

  #takeTick(from: NodeId, tick: LoadTick, nowMs: number): void {
    const key = nodeKeyOf(from)
    if (tick.key !== key) {
      this.#caught({ by: from, kind: 'not-its-own', about: tick.key }, nowMs)
      return
    }
    const outcome = this.#book.takeTick(tick, nowMs)
    if (outcome === 'unknown')
      this.#sends.push({ to: from, message: { kind: 'wants', keys: [key] } })
    if (outcome === 'forged') this.#caught({ by: from, kind: 'forged-tick', about: from }, nowMs)
    if (outcome === 'contradiction') {
      this.#caught({ by: from, kind: 'contradiction', about: from }, nowMs)
    }
  }

  #acknowledge(from: NodeId, ack: DigestAck, nowMs: number): void {
    const receiver = this.#receivers.find(({ id }) => id === from)
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
      this.#sends.push({ to: receiver.id, message: { kind: 'news', news } })
    }
  }

  /** @returns whether an anchor was among it: others may be waiting for their turn */
  #publish(nowMs: number): boolean {
    if (this.#cluster === undefined) return false
    let hasAnchors = false
    this.#forget(nowMs)
    this.#chooseReceivers(nowMs)
    for (const receiver of this.#receivers) {
      const digest = this.#digestFor(receiver, this.#cluster, nowMs)
      const isNews = digest.anchors.length + digest.ticks.length + digest.gone.length > 0
      if (!isNews && nowMs - receiver.toldAtMs < digestTimes.quietMs) continue
      receiver.toldAtMs = nowMs
      hasAnchors ||= digest.anchors.length > 0
      this.#sends.push({
        to: receiver.id,
        message: { kind: 'digest', digest: this.#modules.seals.sealDigest(digest) },
      })
    }
    return hasAnchors
  }

  #digestFor(receiver: Receiver, cluster: string, nowMs: number): ClusterDigest {
    const { clock } = this.#modules
    // Above those of an earlier life of this process.
    this.#sequence = Math.max(this.#sequence + 1, clock.now())
    const anchors = this.#anchorsFor(receiver, nowMs)
    const ticks: LoadTick[] = []
    for (const entry of this.#book.entries()) {
      if (ticks.length >= digestLimits.ticksPerDigestMax) break
      if ((receiver.ticks.get(entry.key) ?? 0) >= entry.position) continue
      const tick = entry.lastTick()
      if (tick === undefined) continue
      receiver.ticks.set(entry.key, entry.position)
      ticks.push(tick)
    }
    return {
      cluster,
      coordinator: this.#self,
      sequence: this.#sequence,
      base: receiver.acknowledged,
      issuedAtMs: clock.now(),
      members: this.#book.size,
      told: this.told,
      anchors,
      ticks,
      gone: this.#gone(),
    }
  }

  /** Of what is new as much as everyone can take at once. */
  #anchorsFor(receiver: Receiver, nowMs: number): Sealed<LoadAnchor>[] {
    const anchors: Sealed<LoadAnchor>[] = []
    const inDigest = this.#sequence
    for (const entry of this.#book.entries()) {
      if (anchors.length >= viewLimits.freshAnchorsPerDigestMax) break
      if (!this.#isDue(receiver, entry, nowMs)) continue
      const { sequence } = entry.anchor.value
      const told = { sequence, inDigest, atMs: nowMs, acknowledged: false }
      receiver.anchors.set(entry.key, told)
      anchors.push(entry.anchor)
    }
    return anchors
  }

  /** New, and not told or not acknowledged for a while. */
  #isDue(receiver: Receiver, { anchor, key }: NodeEntry, nowMs: number): boolean {
    const { issuedAtMs, sequence } = anchor.value
    if (this.#modules.clock.now() - issuedAtMs > digestTimes.anchorFreshMs) return false
    const told = receiver.anchors.get(key)
    if (told?.sequence !== sequence) return true
    return !told.acknowledged && nowMs - told.atMs >= digestTimes.resendMs
  }

  #gone(): GoneMember[] {
    const gone: GoneMember[] = []
    for (const { id, state } of this.#members.values()) {
      if (state === 'alive' || gone.length >= digestLimits.gonePerDigestMax) continue
      const entry = this.#book.get(nodeKeyOf(id))
      if (entry === undefined) continue
      const { key, tick } = entry
      gone.push({ key, sequence: entry.anchor.value.sequence, tick, state })
    }
    return gone
  }

  #forget(nowMs: number): void {
    for (const { key } of this.#book.expire(nowMs)) {
      for (const receiver of this.#receivers) {
        receiver.anchors.delete(key)
        receiver.ticks.delete(key)
      }
    }
  }

  /** The nearest that answer; one that is silent goes to the end of the row. */
  #chooseReceivers(nowMs: number): void {
    if (this.#cluster === undefined) return
    const silent = this.#receivers.find(
      ({ ackAtMs }) => nowMs - ackAtMs > digestTimes.gatewaySilentMs,
    )
    if (silent !== undefined && this.#gateways.length > 1) {
      this.#silent.set(silent.id, nowMs)
      this.#gateways = [...this.#gateways.filter((id) => id !== silent.id), silent.id]
    }
    const chosen = this.#gateways.slice(0, this.#isNew(nowMs) ? 1 : viewLimits.toldMax)
    const isSame =
      chosen.length === this.#receivers.length &&
      chosen.every((id, index) => this.#receivers[index]?.id === id)
    if (isSame && silent === undefined) return
    this.#receivers = chosen.map((id) => {
      const known = this.#receivers.find((receiver) => receiver.id === id)
      if (known !== undefined && known !== silent) return known
      const told = { anchors: new Map(), ticks: new Map() }
      return { id, ...told, toldAtMs: Number.NEGATIVE_INFINITY, acknowledged: 0, ackAtMs: nowMs }
    })
  }

  /** However often the row is named anew: what says nothing back is tried now and then. */
  #silentLast(gateways: readonly NodeId[], nowMs: number): readonly NodeId[] {
    for (const [id, atMs] of this.#silent) {
      const isOver = nowMs - atMs > digestTimes.silentAgainMs
      if (isOver || !gateways.includes(id)) this.#silent.delete(id)
    }
    if (this.#silent.size === 0) return gateways
    const isSilent = (id: NodeId) => this.#silent.has(id)
    return [...gateways.filter((id) => !isSilent(id)), ...gateways.filter(isSilent)]
  }

  #caught(lie: Lie, nowMs: number): void {
    this.#conduct.caught(lie, nowMs)
    const { kind, ...rest } = lie
    this.#events.push({ kind: 'caught', lie: kind, ...rest })
  }

  #emptyBook(): EntryBook {
    const nodesMax = viewLimits.membersPerClusterMax
    const limits = { nodesMax, clustersMax: 1, membersPerClusterMax: nodesMax }
    return new EntryBook(limits, this.#modules)
  }
}
