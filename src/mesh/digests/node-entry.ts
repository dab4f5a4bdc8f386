/** What is known, and was checked, of one node's load. */
import {
  type LoadAnchor,
  type LoadFigures,
  type LoadTick,
  type NodeId,
  type NodeKey,
  nodeKeyOf,
  type Sealed,
} from '../../protocol/index.ts'
import { digestTimes } from './limits.ts'
import { type ChainWalk, KnownChains } from './load-chains.ts'
import { figuresOf, levelsOf } from './load-scale.ts'

/** Where in a node's life something was said: later is larger. */
export function positionOf(sequence: number, tick: number): number {
  return sequence * ticksInPosition + tick
}

const ticksInPosition = 65_536

export type TickOutcome = 'taken' | 'known' | 'stale' | 'unknown' | 'forged' | 'contradiction'

/** A coordinator's claim on it. */
export interface GoneClaim {
  readonly state: 'suspect' | 'dead' | 'left'
  readonly position: number
  readonly by: NodeId
}

/** What a coordinator's digest has of it. */
export interface Told {
  readonly by: NodeId
  readonly sequence: number
  readonly tick: number
}

/** A cluster as its members speak of it. */
export class ClusterEntry {
  readonly id: string
  readonly members = new Map<NodeKey, NodeEntry>()
  /** A hash of the set of anchors: who differs in it differs in a member or an anchor. */
  anchorsHash = 0
  /** Sum of the times at which the members spoke last. */
  saidAtSumMs = 0

  constructor(id: string) {
    this.id = id
  }
}

/**
 * A gateway takes in one tick after another of each of 10,000 nodes, and finds none of them in the
 * processor's cache: what a tick needs is in here, and small. Times on the monotonic clock are
 * rounded down to whole ms: such numbers lie in the object itself.
 */
export class NodeEntry {
  /** As the last tick has it: the same string is compared fastest. */
  key: NodeKey
  tick = 0
  levels: number
  /** Of the anchor, these four. */
  sequence: number
  ticksMax: number
  tickMs: number
  issuedAtMs: number
  /** When it last said something new. */
  heardAtMs: number
  /** The coordinator whose digest told of it last, and how far. */
  toldBy: NodeId | undefined
  toldSequence = 0
  toldTick = 0
  toldAtMs: number
  gone: GoneClaim | undefined
  /** Where it is now; undefined: it was forgotten. */
  cluster: ClusterEntry | undefined
  /** Of whom its coordinator told after it. */
  follower: NodeEntry | undefined
  /** Whether it has spoken and nobody was told. */
  isDue = false
  /** The node signed two anchors with this sequence: ticks of the other one are no lie. */
  isTwofold = false
  #chains: KnownChains<LoadTick>
  anchor: Sealed<LoadAnchor>
  /** The peer that made it known first. */
  readonly introducedBy: NodeId
  /** Since when it speaks without a longer pause, whoever brings it. */
  speakingSinceMs: number
  /** Since when it speaks to this gateway itself without a longer pause, and when it did last. */
  directSinceMs = Number.NEGATIVE_INFINITY
  directAtMs = Number.NEGATIVE_INFINITY

  constructor(anchor: Sealed<LoadAnchor>, introducedBy: NodeId, nowMs: number) {
    const { value } = anchor
    const atMs = Math.floor(nowMs)
    this.key = nodeKeyOf(value.node)
    this.introducedBy = introducedBy
    this.anchor = anchor
    this.sequence = value.sequence
    this.ticksMax = value.ticksMax
    this.tickMs = value.tickMs
    this.issuedAtMs = value.issuedAtMs
    this.levels = levelsOf(value.load, value)
    this.heardAtMs = atMs
    this.speakingSinceMs = atMs
    this.toldAtMs = atMs
    this.#chains = new KnownChains(value.node, value.sequence, value.tops)
  }

  get id(): NodeId {
    return this.anchor.value.node
  }

  get position(): number {
    return positionOf(this.sequence, this.tick)
  }

  /** Wall-clock ms, by the node: when it said what is known. */
  get saidAtMs(): number {
    return this.issuedAtMs + this.tick * this.tickMs
  }

  /** An anchor's figures are exact, those of ticks are levels. */
  get load(): LoadFigures {
    const { value } = this.anchor
    return this.tick === 0 ? value.load : figuresOf(this.levels, value)
  }

  /** What it said last, for others to check; undefined: nothing beyond its anchor. */
  get lastTick(): LoadTick | undefined {
    return this.#chains.last
  }

  /** By an anchor of the same node whose signature was checked. */
  renew(anchor: Sealed<LoadAnchor>, nowMs: number): void {
    const { value } = anchor
    if (value.cluster !== this.anchor.value.cluster) {
      this.toldBy = undefined
      this.toldAtMs = Math.floor(nowMs)
      this.directAtMs = Number.NEGATIVE_INFINITY
    }
    this.#heard(nowMs)
    this.anchor = anchor
    this.sequence = value.sequence
    this.ticksMax = value.ticksMax
    this.tickMs = value.tickMs
    this.issuedAtMs = value.issuedAtMs
    this.tick = 0
    this.levels = levelsOf(value.load, value)
    this.gone = undefined
    this.isTwofold = false
    this.#chains = new KnownChains(value.node, value.sequence, value.tops)
  }

  advance(said: LoadTick, nowMs: number, walk: ChainWalk): TickOutcome {
    if (said.sequence !== this.sequence) {
      return said.sequence < this.sequence ? 'stale' : 'unknown'
    }
    if (said.tick < this.tick) return 'stale'
    if (said.tick === this.tick) return this.#compare(said, walk)
    if (said.tick > this.ticksMax || said.levels > levelsMax) return 'forged'
    if (!this.#chains.take(said, walk)) return this.#unproven
    this.tick = said.tick
    this.levels = said.levels
    this.#heard(nowMs)
    // The member speaks: whatever was claimed of it before is void.
    this.gone = undefined
    return 'taken'
  }

  /** False where it is older than what the same coordinator told before. */
  noteTold({ by, sequence, tick }: Told, nowMs: number): boolean {
    if (this.toldBy === by && sequence <= this.toldSequence) {
      // An anchor is told until it is acknowledged, also when ticks of it were told already.
      const isSame = sequence === this.toldSequence
      if (!isSame || tick < this.toldTick) return isSame && tick === 0
      if (tick === this.toldTick) return true
    }
    this.toldBy = by
    this.toldSequence = sequence
    this.toldTick = tick
    this.toldAtMs = Math.floor(nowMs)
    return true
  }

  #heard(nowMs: number): void {
    const atMs = Math.floor(nowMs)
    if (atMs - this.heardAtMs > digestTimes.lateAfterMs) this.speakingSinceMs = atMs
    this.heardAtMs = Math.max(this.heardAtMs, atMs)
  }

  get #unproven(): TickOutcome {
    return this.isTwofold ? 'stale' : 'forged'
  }

  /**
   * Two levels for one tick. If the node itself said both, it contradicts itself. From anybody else
   * it proves nothing: the values of a tick follow from those of the next one. Of the two everyone
   * keeps the larger number, so that all hold the same.
   */
  #compare(said: LoadTick, walk: ChainWalk): TickOutcome {
    if (said.levels === this.levels || this.tick === 0) return 'known'
    if (said.levels > levelsMax) return 'forged'
    if (said.levels < this.levels) {
      return this.#chains.isProven(said, walk) ? 'contradiction' : this.#unproven
    }
    if (!this.#chains.take(said, walk)) return this.#unproven
    this.levels = said.levels
    return 'contradiction'
  }
}

/** Twelve bits: four for each of three figures. */
const levelsMax = 0xfff
