/**
 * A set of nonces, each with the number of its sender, in one piece of memory: a process remembers
 * a hundred thousand of them, and as objects they would be most of what its collector moves.
 *
 * Open addressing with linear probing; nothing is taken out, a table is dropped as a whole. Where
 * an entry lies depends on secret random numbers, one for each value of each of its bytes (simple
 * tabulation: Pătraşcu and Thorup, 2012, who prove a constant time for linear probing), so that
 * nobody can choose nonces that all want the same place.
 */
import type { Random } from '../base/index.ts'

export const nonceWords = 4
/** The nonce, and its sender's number, which is never 0. */
const entryWords = nonceWords + 1
const slotsFirstLog2 = 4

/** Where the entry lies that is looked for. */
export interface NonceEntry {
  /** `entryWords` of them, the sender's number last. */
  readonly words: Uint32Array
  /** By `NonceHash`. */
  hash: number
}

export class NonceHash {
  readonly #numbers: Uint32Array

  constructor(random: Random) {
    const bytes = random.bytes(4 * 256 * 4 * entryWords)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#numbers = Uint32Array.from({ length: 256 * 4 * entryWords }, (_, i) =>
      view.getUint32(4 * i),
    )
  }

  /** 32 bits. */
  of(words: Uint32Array): number {
    const numbers = this.#numbers
    let hash = 0
    let at = 0
    for (let i = 0; i < entryWords; i += 1) {
      const word = words[i] ?? 0
      hash ^= numbers[at + (word & 0xff)] ?? 0
      hash ^= numbers[at + 256 + ((word >>> 8) & 0xff)] ?? 0
      hash ^= numbers[at + 512 + ((word >>> 16) & 0xff)] ?? 0
      hash ^= numbers[at + 768 + (word >>> 24)] ?? 0
      at += 1024
    }
    return hash >>> 0
  }
}

/** To be filled by `fillEntry`. */
export function emptyEntry(): NonceEntry {
  return { words: new Uint32Array(entryWords), hash: 0 }
}

export function fillEntry(entry: NonceEntry, nonce: Uint8Array, sender: number): void {
  const { words } = entry
  for (let i = 0; i < nonceWords; i += 1) {
    const at = 4 * i
    const low = (nonce[at] ?? 0) | ((nonce[at + 1] ?? 0) << 8)
    words[i] = low | ((nonce[at + 2] ?? 0) << 16) | ((nonce[at + 3] ?? 0) << 24)
  }
  words[nonceWords] = sender
}

export class NonceTable {
  #slotsLog2 = slotsFirstLog2
  #words = new Uint32Array(2 ** slotsFirstLog2 * entryWords)
  #size = 0
  readonly #hash: NonceHash

  constructor(hash: NonceHash) {
    this.#hash = hash
  }

  has({ words, hash }: NonceEntry): boolean {
    return this.#words[this.#find(words, hash) + nonceWords] !== 0
  }

  /** Of an entry that is not there yet. */
  add({ words, hash }: NonceEntry): void {
    // Two thirds full at the most: beyond it, probing gets long.
    if (3 * (this.#size + 1) > 2 * 2 ** this.#slotsLog2) this.#grow()
    this.#words.set(words, this.#find(words, hash))
    this.#size += 1
  }

  /** Where the entry lies, or where it would. */
  #find(words: Uint32Array, hash: number): number {
    const table = this.#words
    let at = (hash >>> (32 - this.#slotsLog2)) * entryWords
    while (table[at + nonceWords] !== 0 && !isAt(table, at, words)) {
      at += entryWords
      if (at === table.length) at = 0
    }
    return at
  }

  #grow(): void {
    const smaller = this.#words
    this.#slotsLog2 += 1
    this.#words = new Uint32Array(2 * smaller.length)
    for (let at = 0; at < smaller.length; at += entryWords) {
      if (smaller[at + nonceWords] === 0) continue
      const words = smaller.subarray(at, at + entryWords)
      this.#words.set(words, this.#find(words, this.#hash.of(words)))
    }
  }
}

function isAt(table: Uint32Array, at: number, words: Uint32Array): boolean {
  for (let i = 0; i < entryWords; i += 1) if (table[at + i] !== words[i]) return false
  return true
}
