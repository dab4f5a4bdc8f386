/**
 * Hash chains for levels of load: made by the node, checked by everyone.
 *
 * For each level of each figure there is a chain x[n] → x[n-1] → … → x[0], each value the hash of
 * the one before it. The anchor shows every x[0]. At tick t the node shows x[t] of its present
 * levels. Whoever knows some x[k] of that chain hashes t - k times and compares. To say another
 * level at tick t one would need the x[t] of its chain, which the node has not shown: what it did
 * show there was for earlier ticks. This is Lamport's chain (1981), one for each level, as Micali's
 * Novomodo (2002) has one for "still valid".
 */
import { assert } from '../../base/index.ts'
import {
  type ChainWay,
  chainSaltBytes,
  loadChain,
  loadChainCount,
  loadProofBytes,
  loadTopsBytes,
  type NodeId,
  type NodeKey,
  nodeKeyLengthBytes,
  nodeKeyOf,
  writeNodeKey,
} from '../../protocol/index.ts'
import { levelOf } from './load-scale.ts'

/** `chainWalk` of `protocol`, or a cheaper one in a simulation. */
export type ChainWalk = (bytes: Uint8Array, at: number, way: ChainWay) => void

const { figures, levels: levelCount, valueBytes } = loadChain
/** Of the owner's values each twelfth is kept: 7.5 kB, and at most eleven steps to any other. */
const keptEach = 12

export interface ChainsOptions {
  readonly node: NodeId
  readonly sequence: number
  readonly ticksMax: number
  /** Secret: the last values of all chains, `loadTopsBytes`. */
  readonly seeds: Uint8Array
}

/** The node's own chains, of one anchor. */
export class OwnChains {
  readonly tops: Uint8Array
  readonly #key: NodeKey
  readonly #sequence: number
  readonly #walk: ChainWalk
  readonly #ticksMax: number
  /** Values at positions 0, 12, 24 …, and at the last; for each, all chains. */
  readonly #kept: Uint8Array

  constructor({ node, sequence, ticksMax, seeds }: ChainsOptions, walk: ChainWalk) {
    assert(seeds.length === loadTopsBytes, 'each chain has a seed')
    this.#key = nodeKeyOf(node)
    this.#sequence = sequence
    this.#walk = walk
    this.#ticksMax = ticksMax
    this.#kept = new Uint8Array((Math.ceil(ticksMax / keptEach) + 1) * loadTopsBytes)
    const values = seeds.slice()
    this.#keep(ticksMax, values)
    way.of(this.#key, sequence)
    for (let position = ticksMax; position > 0; ) {
      const next = (Math.ceil(position / keptEach) - 1) * keptEach
      way.position = position
      way.places = position - next
      for (let chain = 0; chain < loadChainCount; chain += 1) {
        way.chain = chain
        walk(values, chain * valueBytes, way)
      }
      position = next
      this.#keep(position, values)
    }
    this.tops = values
  }

  /** The values of these levels at this tick. Once shown, they cannot be taken back. */
  proof(tick: number, levels: number): Uint8Array {
    assert(tick >= 1 && tick <= this.#ticksMax, 'the chains reach to this tick')
    const proof = new Uint8Array(loadProofBytes)
    const part = Math.ceil(tick / keptEach)
    const from = Math.min(this.#ticksMax, part * keptEach)
    way.of(this.#key, this.#sequence)
    for (let figure = 0; figure < figures; figure += 1) {
      const chain = figure * levelCount + levelOf(levels, figure)
      const at = figure * valueBytes
      const keptAt = part * loadTopsBytes + chain * valueBytes
      for (let i = 0; i < valueBytes; i += 1) proof[at + i] = this.#kept[keptAt + i] ?? 0
      way.chain = chain
      way.position = from
      way.places = from - tick
      this.#walk(proof, at, way)
    }
    return proof
  }

  #keep(position: number, values: Uint8Array): void {
    this.#kept.set(values, Math.ceil(position / keptEach) * loadTopsBytes)
  }
}

/** As a tick has them. */
export interface ShownLevels {
  readonly tick: number
  readonly levels: number
  readonly proof: Uint8Array
}

/**
 * What is known of another's chains: of each the highest value that was shown. Those of the last
 * tick are in that tick; the others are as the anchor has them, until the levels change.
 */
export class KnownChains<Shown extends ShownLevels = ShownLevels> {
  readonly #key: NodeKey
  readonly #sequence: number
  readonly #tops: Uint8Array
  #last: Shown | undefined
  #values: Uint8Array | undefined
  #positions: Uint16Array | undefined

  constructor(node: NodeId, sequence: number, tops: Uint8Array) {
    this.#key = nodeKeyOf(node)
    this.#sequence = sequence
    this.#tops = tops
  }

  /** What was taken in last. */
  get last(): Shown | undefined {
    return this.#last
  }

  /** Whether these are the chains' values at that tick, above all known ones. */
  isProven(said: ShownLevels, walk: ChainWalk): boolean {
    way.of(this.#key, this.#sequence)
    const last = this.#last
    // Mostly: a tick soon after another, and other figures only now and then.
    if (last !== undefined && last.levels === said.levels) return areNext(said, last, walk)
    for (let figure = 0; figure < figures; figure += 1) {
      if (!this.#isFigureProven(figure, said, walk)) return false
    }
    return true
  }

  /** Whether they are; takes them in. */
  take(said: Shown, walk: ChainWalk): boolean {
    if (!this.isProven(said, walk)) return false
    const last = this.#last
    if (last !== undefined && last.levels !== said.levels) this.#keep(last, said.levels)
    this.#last = said
    return true
  }

  /** Of the last tick, what the next one does not show anew. */
  #keep({ levels, proof, tick }: ShownLevels, next: number): void {
    this.#values ??= this.#tops.slice()
    this.#positions ??= new Uint16Array(loadChainCount)
    for (let figure = 0; figure < figures; figure += 1) {
      const level = levelOf(levels, figure)
      if (level === levelOf(next, figure)) continue
      const chain = figure * levelCount + level
      for (let i = 0; i < valueBytes; i += 1) {
        this.#values[chain * valueBytes + i] = proof[figure * valueBytes + i] ?? 0
      }
      this.#positions[chain] = tick
    }
  }

  #isFigureProven(figure: number, said: ShownLevels, walk: ChainWalk): boolean {
    const { levels, proof, tick } = said
    const last = this.#last
    const level = levelOf(levels, figure)
    const chain = figure * levelCount + level
    const isLast = last !== undefined && levelOf(last.levels, figure) === level
    const known = isLast ? last.tick : (this.#positions?.[chain] ?? 0)
    if (known > tick) return false
    const at = figure * valueBytes
    for (let i = 0; i < valueBytes; i += 1) scratch[i] = proof[at + i] ?? 0
    way.chain = chain
    way.position = tick
    way.places = tick - known
    walk(scratch, 0, way)
    const values = isLast ? last.proof : (this.#values ?? this.#tops)
    const from = isLast ? at : chain * valueBytes
    for (let i = 0; i < valueBytes; i += 1) if (scratch[i] !== values[from + i]) return false
    return true
  }
}

/** Whether what was said of the same levels leads to what was said of them before. */
function areNext(said: ShownLevels, last: ShownLevels, walk: ChainWalk): boolean {
  const { levels, proof, tick } = said
  if (last.tick > tick || proof.length !== loadProofBytes) return false
  proofScratch.set(proof)
  way.position = tick
  way.places = tick - last.tick
  for (let figure = 0; figure < figures; figure += 1) {
    way.chain = figure * levelCount + levelOf(levels, figure)
    walk(proofScratch, figure * valueBytes, way)
  }
  const before = last.proof
  for (let i = 0; i < loadProofBytes; i += 1) if (proofScratch[i] !== before[i]) return false
  return true
}

/** The salt is written when it is read: once for all the hashes of a tick, or never. */
class Way implements ChainWay {
  chain = 0
  position = 0
  places = 0
  readonly #salt = new Uint8Array(chainSaltBytes)
  #key: NodeKey | undefined
  #sequence = 0

  of(key: NodeKey, sequence: number): void {
    this.#key = key
    this.#sequence = sequence
  }

  get salt(): Uint8Array {
    if (this.#key === undefined) return this.#salt
    writeNodeKey(this.#key, this.#salt, 0)
    for (let i = 0; i < 4; i += 1) {
      this.#salt[nodeKeyLengthBytes + i] = (this.#sequence >>> (8 * i)) & 0xff
    }
    this.#key = undefined
    return this.#salt
  }
}

/** Reused, one value at a time: an object for each of a million hashes would cost. */
const scratch = new Uint8Array(valueBytes)
const proofScratch = new Uint8Array(loadProofBytes)
const way = new Way()
