/**
 * Which cards a node holds, told in a byte for each: a Bloom filter (1970) over the versions of its
 * cards, so that nobody sends it what it has. A few in a hundred are taken for known by mistake;
 * the salt is another each time, so they are not the same ones again.
 */
import type { Random } from '../../base/index.ts'
import type { SaidHoldings } from '../../protocol/index.ts'
import type { Card } from './card.ts'
import { rankOf } from './witnesses.ts'

/** All that a node holds at most, and some thrice; a longer filter is a waste, or a trick. */
const filterBytesMax = 256
/** Of eight bits for each card, five are set: 2 % of others are taken for known; 3 at the most. */
const hashes = 5

/** A number for a card's version. Whoever makes two alike hides a card of its own. */
export function markOf({ id, epoch, issuedAtMs }: Card): number {
  return stir(stir(rankOf(id), epoch % 2 ** 32), issuedAtMs % 2 ** 32)
}

export class Holdings {
  readonly #said: SaidHoldings
  readonly #filter: Uint8Array
  readonly #bits: number

  constructor(said: SaidHoldings) {
    this.#said = said
    this.#filter = said.filter
    this.#bits = Math.min(filterBytesMax, said.filter.length) * 8
  }

  /** @param marks of the cards that are held */
  static of(
    marks: ArrayLike<number>,
    { reachMs, random }: { reachMs: number; random: Random },
  ): Holdings {
    const filter = new Uint8Array(Math.min(filterBytesMax, marks.length))
    const holdings = new Holdings({ filter, salt: random.below(2 ** 32), reachMs })
    for (let i = 0; i < marks.length; i += 1) holdings.#add(marks[i] as number)
    return holdings
  }

  get said(): SaidHoldings {
    return this.#said
  }

  get reachMs(): number {
    const { reachMs } = this.#said
    return reachMs > 0 ? reachMs : Number.POSITIVE_INFINITY
  }

  has(mark: number): boolean {
    if (this.#bits === 0) return false
    let hash = stir(this.#said.salt, mark)
    const step = stir(hash, mark) | 1
    for (let i = 0; i < hashes; i += 1) {
      const bit = bitOf(hash, this.#bits)
      if (((this.#filter[bit >> 3] as number) & (1 << (bit & 7))) === 0) return false
      hash = (hash + step) | 0
    }
    return true
  }

  #add(mark: number): void {
    let hash = stir(this.#said.salt, mark)
    const step = stir(hash, mark) | 1
    for (let i = 0; i < hashes; i += 1) {
      const bit = bitOf(hash, this.#bits)
      this.#filter[bit >> 3] = (this.#filter[bit >> 3] as number) | (1 << (bit & 7))
      hash = (hash + step) | 0
    }
  }
}

/** By the hash's upper half: a division for each would cost more than all else. */
function bitOf(hash: number, bits: number): number {
  return ((hash >>> 16) * bits) >>> 16
}

/** The finaliser of MurmurHash3 (Appleby) over both. */
function stir(hash: number, value: number): number {
  let x = Math.imul(hash ^ value, 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
