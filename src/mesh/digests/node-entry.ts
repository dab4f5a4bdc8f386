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
import { type ChainStep, KnownChains } from './load-chains.ts'
import { figuresOf, levelsOf } from './load-scale.ts'

/** Where in a node's life something was said: later is larger. */
export function positionOf(sequence: number, tick: number): number {
  return sequence * ticksInPosition + tick
}

/** Whether the first is tick 0 of the anchor that the second belongs to. */
export function isAnchorOf(anchor: number, position: number): boolean {
  return anchor === position - (position % ticksInPosition)
}

const ticksInPosition = 65_536

export type TickOutcome = 'taken' | 'known' | 'stale' | 'unknown' | 'forged' | 'contradiction'

/** A coordinator's claim on it. */
export interface GoneClaim {
  readonly state: 'suspect' | 'dead' | 'left'
  readonly position: number
  readonly by: NodeId
}

export class NodeEntry {
  readonly key: NodeKey
  /** The peer that made it known first. */
  readonly introducedBy: NodeId
  anchor: Sealed<LoadAnchor>
  tick = 0
  /** Wall-clock ms, by the node: when it said what is known. */
  saidAtMs: number
  levels: number
  load: LoadFigures
  /** When it last said something new, on the monotonic clock of who holds this. */
  heardAtMs: number
  gone: GoneClaim | undefined
  /** The coordinator whose digest told of it last, and how far. */
  toldBy: NodeId | undefined
  toldPosition = 0
  toldAtMs: number
  /** Since when it speaks without a longer pause, whoever brings it. */
  speakingSinceMs: number
  /** Since when it speaks to this gateway itself without a longer pause, and when it did last. */
  directSinceMs = Number.NEGATIVE_INFINITY
  directAtMs = Number.NEGATIVE_INFINITY
  #chains: KnownChains
  /** Made when it is first asked for. */
  #lastTick: LoadTick | undefined

  constructor(anchor: Sealed<LoadAnchor>, introducedBy: NodeId, nowMs: number) {
    const { value } = anchor
    this.key = nodeKeyOf(value.node)
    this.introducedBy = introducedBy
    this.anchor = anchor
    this.saidAtMs = value.issuedAtMs
    this.levels = levelsOf(value.load, value)
    this.load = value.load
    this.heardAtMs = nowMs
    this.speakingSinceMs = nowMs
    this.toldAtMs = nowMs
    this.#chains = new KnownChains(value.node, value.sequence, value.tops)
  }

  get id(): NodeId {
    return this.anchor.value.node
  }

  get position(): number {
    return positionOf(this.anchor.value.sequence, this.tick)
  }

  /** By an anchor of the same node whose signature was checked. */
  renew(anchor: Sealed<LoadAnchor>, nowMs: number): void {
    const { value } = anchor
    if (value.cluster !== this.anchor.value.cluster) {
      this.toldBy = undefined
      this.toldAtMs = nowMs
      this.directAtMs = Number.NEGATIVE_INFINITY
    }
    this.#heard(nowMs)
    this.anchor = anchor
    this.tick = 0
    this.#lastTick = undefined
    this.saidAtMs = value.issuedAtMs
    this.levels = levelsOf(value.load, value)
    this.load = value.load
    this.gone = undefined
    this.#chains = new KnownChains(value.node, value.sequence, value.tops)
  }

  advance(said: LoadTick, nowMs: number, step: ChainStep): TickOutcome {
    const { value } = this.anchor
    if (said.sequence !== value.sequence) {
      return said.sequence < value.sequence ? 'stale' : 'unknown'
    }
    if (said.tick < this.tick) return 'stale'
    if (said.tick === this.tick) return this.#compare(said, step)
    if (said.tick > value.ticksMax || said.levels > levelsMax) return 'forged'
    if (!this.#chains.take(said, step)) return 'forged'
    // An anchor's figures are exact, those of ticks are levels.
    const isSame = said.levels === this.levels && this.tick > 0
    if (!isSame) this.load = figuresOf(said.levels, value)
    this.tick = said.tick
    this.#lastTick = undefined
    this.saidAtMs = value.issuedAtMs + said.tick * value.tickMs
    this.levels = said.levels
    this.#heard(nowMs)
    // The member speaks: whatever was claimed of it before is void.
    this.gone = undefined
    return 'taken'
  }

  /** What it said last, for others to check; undefined: nothing beyond its anchor. */
  lastTick(): LoadTick | undefined {
    if (this.tick === 0 || this.#lastTick !== undefined) return this.#lastTick
    const { key, levels, tick } = this
    const proof = this.#chains.proof(levels)
    this.#lastTick = { key, sequence: this.anchor.value.sequence, tick, levels, proof }
    return this.#lastTick
  }

  #heard(nowMs: number): void {
    if (nowMs - this.heardAtMs > digestTimes.lateAfterMs) this.speakingSinceMs = nowMs
    this.heardAtMs = Math.max(this.heardAtMs, nowMs)
  }

  /**
   * A node that shows two levels for one tick contradicts itself. Of the two everyone keeps the
   * larger number, so that all hold the same.
   */
  #compare(said: LoadTick, step: ChainStep): TickOutcome {
    if (said.levels === this.levels || this.tick === 0) return 'known'
    if (said.levels > levelsMax) return 'forged'
    if (!this.#chains.take(said, step)) return 'forged'
    if (said.levels > this.levels) {
      this.#lastTick = undefined
      this.levels = said.levels
      this.load = figuresOf(said.levels, this.anchor.value)
    }
    return 'contradiction'
  }
}

/** Twelve bits: four for each of three figures. */
const levelsMax = 0xfff
