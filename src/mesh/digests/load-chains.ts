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
  type ChainPlace,
  chainSaltBytes,
  loadChain,
  loadChainCount,
  loadProofBytes,
  loadTopsBytes,
  type NodeId,
  nodeKeyLengthBytes,
  nodeKeyOf,
  writeNodeKey,
} from '../../protocol/index.ts'
import { levelOf } from './load-scale.ts'

/** `chainStep` of `protocol`, or a cheaper one in a simulation. */
export type ChainStep = (value: Uint8Array, place: ChainPlace) => void

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
  readonly #step: ChainStep
  readonly #ticksMax: number
  /** Values at positions 0, 12, 24 …, and at the last; for each, all chains. */
  readonly #kept: Uint8Array[] = []
  readonly #place: MutablePlace

  constructor({ node, sequence, ticksMax, seeds }: ChainsOptions, step: ChainStep) {
    assert(seeds.length === loadTopsBytes, 'each chain has a seed')
    this.#step = step
    this.#ticksMax = ticksMax
    this.#place = { salt: saltOf(node, sequence), chain: 0, position: 0 }
    const values = seeds.slice()
    this.#keep(ticksMax, values)
    for (let position = ticksMax; position > 0; position -= 1) {
      for (let chain = 0; chain < loadChainCount; chain += 1) this.#down(values, chain, position)
      if ((position - 1) % keptEach === 0) this.#keep(position - 1, values)
    }
    this.tops = values
  }

  /** The values of these levels at this tick. Once shown, they cannot be taken back. */
  proof(tick: number, levels: number): Uint8Array {
    assert(tick >= 1 && tick <= this.#ticksMax, 'the chains reach to this tick')
    const proof = new Uint8Array(loadProofBytes)
    const from = Math.min(this.#ticksMax, Math.ceil(tick / keptEach) * keptEach)
    const kept = this.#kept[Math.ceil(from / keptEach)]
    assert(kept !== undefined, 'values are kept at even distances')
    for (let figure = 0; figure < figures; figure += 1) {
      const chain = figure * levelCount + levelOf(levels, figure)
      scratch.set(kept.subarray(chain * valueBytes, (chain + 1) * valueBytes))
      this.#place.chain = chain
      for (let position = from; position > tick; position -= 1) {
        this.#place.position = position
        this.#step(scratch, this.#place)
      }
      proof.set(scratch, figure * valueBytes)
    }
    return proof
  }

  #down(values: Uint8Array, chain: number, position: number): void {
    const at = chain * valueBytes
    for (let i = 0; i < valueBytes; i += 1) scratch[i] = values[at + i] ?? 0
    this.#place.chain = chain
    this.#place.position = position
    this.#step(scratch, this.#place)
    values.set(scratch, at)
  }

  #keep(position: number, values: Uint8Array): void {
    this.#kept[Math.ceil(position / keptEach)] = values.slice()
  }
}

/** As a tick has them. */
export interface ShownLevels {
  readonly tick: number
  readonly levels: number
  readonly proof: Uint8Array
}

/** What is known of another's chains: of each the highest value that was shown. */
export class KnownChains {
  readonly #values: Uint8Array
  readonly #positions = new Uint16Array(loadChainCount)
  readonly #salt: Uint8Array

  constructor(node: NodeId, sequence: number, tops: Uint8Array) {
    this.#salt = saltOf(node, sequence)
    this.#values = tops.slice()
  }

  /** Whether these are the chains' values at that tick, above all known ones. Takes them in. */
  take(said: ShownLevels, step: ChainStep): boolean {
    const { levels, proof, tick } = said
    for (let figure = 0; figure < figures; figure += 1) {
      if (!this.#isProven(figure, said, step)) return false
    }
    for (let figure = 0; figure < figures; figure += 1) {
      const chain = figure * levelCount + levelOf(levels, figure)
      const from = figure * valueBytes
      for (let i = 0; i < valueBytes; i += 1) {
        this.#values[chain * valueBytes + i] = proof[from + i] ?? 0
      }
      this.#positions[chain] = tick
    }
    return true
  }

  /** Of what was taken in last. */
  proof(levels: number): Uint8Array {
    const proof = new Uint8Array(loadProofBytes)
    for (let figure = 0; figure < figures; figure += 1) {
      const at = (figure * levelCount + levelOf(levels, figure)) * valueBytes
      for (let i = 0; i < valueBytes; i += 1) {
        proof[figure * valueBytes + i] = this.#values[at + i] ?? 0
      }
    }
    return proof
  }

  #isProven(figure: number, { levels, proof, tick }: ShownLevels, step: ChainStep): boolean {
    const chain = figure * levelCount + levelOf(levels, figure)
    const known = this.#positions[chain] ?? 0
    if (known > tick) return false
    for (let i = 0; i < valueBytes; i += 1) scratch[i] = proof[figure * valueBytes + i] ?? 0
    place.salt = this.#salt
    place.chain = chain
    for (let position = tick; position > known; position -= 1) {
      place.position = position
      step(scratch, place)
    }
    for (let i = 0; i < valueBytes; i += 1) {
      if (scratch[i] !== this.#values[chain * valueBytes + i]) return false
    }
    return true
  }
}

type MutablePlace = { -readonly [Field in keyof ChainPlace]: ChainPlace[Field] }

/** Reused, one value at a time: an object for each of a million hashes would cost. */
const scratch = new Uint8Array(valueBytes)
const place: MutablePlace = { salt: new Uint8Array(chainSaltBytes), chain: 0, position: 0 }

function saltOf(node: NodeId, sequence: number): Uint8Array {
  const salt = new Uint8Array(chainSaltBytes)
  writeNodeKey(nodeKeyOf(node), salt, 0)
  for (let i = 0; i < 4; i += 1) salt[nodeKeyLengthBytes + i] = (sequence >>> (8 * i)) & 0xff
  return salt
}
