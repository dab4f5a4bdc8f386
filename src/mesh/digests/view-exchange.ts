/**
 * Anti-entropy between gateways: each second one asks another, drawn at random, what it holds.
 *
 * A summary names each cluster with a hash of its anchors and the mean time of its members' last
 * words: 22 bytes a cluster. The other answers with offers of anchors where the hashes differ, and
 * with ticks where the asker is behind; the asker then asks for the anchors that it lacks. So
 * nothing is sent that the other has, but for what crosses on the way, and everyone asks for no
 * more than it can take. (Reconciliation as in Demers et al., 1987; flow control by the receiver as
 * in van Renesse et al., 2008.)
 */
import { assert, type Random } from '../../base/index.ts'
import {
  type AnchorOffer,
  type ClusterSummary,
  digestLimits,
  type LoadAnchor,
  type LoadMessage,
  type LoadTick,
  type NodeId,
  type NodeKey,
  type Sealed,
  type ViewSummary,
} from '../../protocol/index.ts'
import { clusterKeyOf } from './cluster-key.ts'
import type { EntryBook } from './entry-book.ts'
import { digestTimes, viewLimits } from './limits.ts'
import type { ClusterEntry } from './node-entry.ts'
import type { LoadSend } from './step.ts'

export interface ExchangeModules {
  readonly random: Random
  readonly book: EntryBook
}

export class ViewExchange {
  readonly #modules: ExchangeModules
  /** Whom this gateway asked for last; only its answers are welcome in numbers. */
  #wanted = new Map<NodeKey, number>()
  #wantsLeft: number = viewLimits.wantsPerCompareMin
  /** Since the last comparison, besides what it had asked for. */
  #unaskedBytes = 0
  /** The same before that: ticks are seldomer than comparisons, and may come in bursts. */
  #unaskedBeforeBytes = 0
  #answersLeft: number = viewLimits.answersPerSecond
  #compareAtMs: number

  constructor(modules: ExchangeModules, nowMs: number) {
    this.#modules = modules
    // Gateways that start together do not ask together.
    this.#compareAtMs = nowMs + modules.random.float() * digestTimes.compareMs
  }

  get wakeAtMs(): number {
    return this.#compareAtMs
  }

  /** Counts what came unasked: the rest is what there is room for to ask. */
  heard(bytes: number): void {
    this.#unaskedBytes += bytes
  }

  tick(peers: readonly NodeId[], nowMs: number): LoadSend[] {
    if (nowMs < this.#compareAtMs) return []
    this.#compareAtMs = nowMs + digestTimes.compareMs
    this.#wantsLeft = this.#spareWants()
    this.#unaskedBeforeBytes = this.#unaskedBytes
    this.#unaskedBytes = 0
    this.#answersLeft = viewLimits.answersPerSecond
    for (const [key, atMs] of this.#wanted) {
      if (nowMs - atMs > digestTimes.resendMs) this.#wanted.delete(key)
    }
    const to = peers[this.#modules.random.below(Math.max(1, peers.length))]
    if (to === undefined) return []
    return this.#summaries().map((summary) => ({ to, message: { kind: 'summary', summary } }))
  }

  /** Asks `to` for those that were not asked for a moment ago, as many as this second has room. */
  want(to: NodeId, keys: readonly NodeKey[], nowMs: number): LoadSend[] {
    const wanted = this.choose(keys, nowMs)
    return wanted.length === 0 ? [] : [{ to, message: { kind: 'wants', keys: wanted } }]
  }

  /** Those to ask for now, of these. */
  choose(keys: readonly NodeKey[], nowMs: number): NodeKey[] {
    const wanted: NodeKey[] = []
    for (const key of keys) {
      if (this.#wantsLeft <= 0) break
      if (this.#wanted.has(key)) continue
      this.#wanted.set(key, nowMs)
      this.#wantsLeft -= 1
      wanted.push(key)
    }
    return wanted
  }

  offered(from: NodeId, offers: readonly AnchorOffer[], nowMs: number): LoadSend[] {
    const lacking = offers.filter(({ key, sequence }) => {
      const known = this.#modules.book.get(key)
      return known === undefined || known.sequence < sequence
    })
    return this.want(
      from,
      lacking.map(({ key }) => key),
      nowMs,
    )
  }

  answerWants(to: NodeId, keys: readonly NodeKey[]): LoadSend[] {
    const anchors: Sealed<LoadAnchor>[] = []
    const ticks: LoadTick[] = []
    for (const key of new Set(keys)) {
      const entry = this.#modules.book.get(key)
      if (entry === undefined) continue
      anchors.push(entry.anchor)
      const tick = entry.lastTick
      if (tick !== undefined) ticks.push(tick)
    }
    const { anchorsPerNewsMax } = digestLimits
    const byKey = new Map(ticks.map((tick) => [tick.key as string, tick]))
    return chunksOf(anchors, anchorsPerNewsMax).map((part) => {
      const told = part.flatMap(({ value }) => byKey.get(value.node.slice(0, 16)) ?? [])
      return { to, message: { kind: 'news', news: { anchors: part, ticks: told, offers: [] } } }
    })
  }

  answerSummary(to: NodeId, theirs: ViewSummary): LoadSend[] {
    if (this.#answersLeft <= 0) return []
    this.#answersLeft -= 1
    const known = new Map(theirs.clusters.map((summary) => [summary.cluster, summary]))
    const offers: AnchorOffer[] = []
    const ticks: LoadTick[] = []
    for (const cluster of this.#modules.book.clusters.values()) {
      const key = clusterKeyOf(cluster.id)
      if (key <= theirs.after || (theirs.until !== '' && key > theirs.until)) continue
      this.#compare(cluster, known.get(key), { offers, ticks })
    }
    return newsOf(to, offers, ticks.slice(0, viewLimits.ticksPerCompareMax))
  }

  #spareWants(): number {
    const { anchorBytes, incomingBytesPerSecond, wantsPerCompareMax, wantsPerCompareMin } =
      viewLimits
    const unaskedBytes = Math.max(this.#unaskedBytes, this.#unaskedBeforeBytes)
    const spare = (incomingBytesPerSecond - unaskedBytes) / anchorBytes
    return Math.floor(Math.min(wantsPerCompareMax, Math.max(wantsPerCompareMin, spare)))
  }

  #compare(
    cluster: ClusterEntry,
    theirs: ClusterSummary | undefined,
    into: { readonly offers: AnchorOffer[]; readonly ticks: LoadTick[] },
  ): void {
    if (theirs?.anchors !== cluster.anchorsHash) {
      for (const { key, sequence } of cluster.members.values()) {
        into.offers.push({ key, sequence })
      }
      // Of different members the mean times say nothing; with the anchors come the ticks.
      return
    }
    if (saidAtOf(cluster) - theirs.saidAtMs < digestTimes.behindMs) return
    for (const entry of cluster.members.values()) {
      const tick = entry.lastTick
      if (tick !== undefined) into.ticks.push(tick)
    }
  }

  #summaries(): ViewSummary[] {
    const all: ClusterSummary[] = []
    for (const cluster of this.#modules.book.clusters.values()) {
      all.push({
        cluster: clusterKeyOf(cluster.id),
        members: cluster.members.size,
        anchors: cluster.anchorsHash,
        saidAtMs: saidAtOf(cluster),
      })
    }
    all.sort((a, b) => (a.cluster < b.cluster ? -1 : 1))
    const parts = chunksOf(all, digestLimits.clustersPerSummaryMax)
    if (parts.length === 0) return [{ after: '', until: '', clusters: [] }]
    return parts.map((clusters, index) => ({
      after: parts[index - 1]?.at(-1)?.cluster ?? '',
      until: index === parts.length - 1 ? '' : (clusters.at(-1)?.cluster ?? ''),
      clusters,
    }))
  }
}

function saidAtOf({ members, saidAtSumMs }: ClusterEntry): number {
  return members.size === 0 ? 0 : Math.max(0, Math.round(saidAtSumMs / members.size))
}

function newsOf(to: NodeId, offers: readonly AnchorOffer[], ticks: readonly LoadTick[]) {
  const offerParts = chunksOf(offers, digestLimits.offersPerNewsMax)
  const tickParts = chunksOf(ticks, digestLimits.ticksPerNewsMax)
  const sends: LoadSend[] = []
  for (let i = 0; i < Math.max(offerParts.length, tickParts.length); i += 1) {
    const news = { anchors: [], ticks: tickParts[i] ?? [], offers: offerParts[i] ?? [] }
    const message: LoadMessage = { kind: 'news', news }
    sends.push({ to, message })
  }
  return sends
}

function chunksOf<T>(items: readonly T[], length: number): (readonly T[])[] {
  assert(length > 0, 'a part is not empty')
  const parts: (readonly T[])[] = []
  for (let at = 0; at < items.length; at += length) parts.push(items.slice(at, at + length))
  return parts
}
