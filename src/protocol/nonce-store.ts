/**
 * Which nonces were seen, for as long as an envelope that carries them could still be accepted.
 *
 * Constant time per nonce: entries lie in buckets of time, and a bucket is dropped as a whole once
 * it is over. The number of entries is bounded, in all and per sender; when a bound is reached,
 * new envelopes are refused instead of old nonces forgotten, since forgetting would let a replay
 * through.
 *
 * A wall clock can be set back: what no envelope that is accepted then could have left is given up,
 * or it would fill the store until that time comes again.
 */
import { assert, type Clock, type Random, secureRandom } from '../base/index.ts'
import { envelopeLimits } from './envelope-limits.ts'
import type { NodeId } from './ids.ts'
import {
  emptyEntry,
  fillEntry,
  type NonceEntry,
  NonceHash,
  NonceTable,
  nonceWords,
} from './nonce-table.ts'

export interface NonceStoreOptions {
  /** In all; an entry takes 30 to 60 bytes. */
  readonly entriesMax: number
  /** So that one sender cannot shut out the others. Default: half of `entriesMax`. */
  readonly entriesPerSenderMax?: number
  readonly clock: Clock
  /** Of the places of entries; the machine's where none is given. */
  readonly random?: Random
}

export type NonceOutcome = 'new' | 'seen' | 'full'

/** How exactly entries end; longer is harmless, and shorter means more buckets to look in. */
const bucketMs = 10_000
/** No nonce of an envelope that is accepted now is kept for longer. */
const keptMsMax = envelopeLimits.lifeMaxMs + 2 * envelopeLimits.clockSkewMaxMs

interface Sender {
  readonly id: NodeId
  /** From 1. */
  readonly number: number
  size: number
}

interface Bucket {
  readonly table: NonceTable
  readonly sizes: Map<Sender, number>
}

export class NonceStore {
  readonly #entriesMax: number
  readonly #entriesPerSenderMax: number
  readonly #clock: Clock
  readonly #hash: NonceHash
  readonly #senders = new Map<NodeId, Sender>()
  readonly #buckets = new Map<number, Bucket>()
  /** Reused: what is looked for. */
  readonly #entry = emptyEntry()
  #lastNumber = 0
  /** No bucket before this one is left. */
  #oldest: number
  #size = 0

  constructor(options: NonceStoreOptions) {
    assert(options.entriesMax >= 1, 'a nonce store holds at least one entry')
    this.#entriesMax = options.entriesMax
    this.#entriesPerSenderMax = options.entriesPerSenderMax ?? Math.ceil(options.entriesMax / 2)
    this.#clock = options.clock
    this.#hash = new NonceHash(options.random ?? secureRandom)
    this.#oldest = Math.floor(options.clock.now() / bucketMs)
  }

  get size(): number {
    return this.#size
  }

  /** Whether `add` would say `new`; remembers nothing. */
  accepts(id: NodeId, nonce: Uint8Array): boolean {
    this.#dropExpired()
    const known = this.#senders.get(id)
    return this.#outcomeFor(known, this.#entryOf(nonce, known?.number ?? 0)) === 'new'
  }

  /**
   * Remembers the nonce at least until `keepUntilMs`, unless it was seen or there is no room.
   * @param nonce 16 bytes
   */
  add(id: NodeId, nonce: Uint8Array, keepUntilMs: number): NonceOutcome {
    this.#dropExpired()
    const known = this.#senders.get(id)
    const sender = known ?? { id, number: this.#lastNumber + 1, size: 0 }
    const entry = this.#entryOf(nonce, sender.number)
    const outcome = this.#outcomeFor(known, entry)
    if (outcome !== 'new') return outcome
    if (known === undefined) this.#keep(sender)
    const { table, sizes } = this.#bucketOf(keepUntilMs)
    table.add(entry)
    sizes.set(sender, (sizes.get(sender) ?? 0) + 1)
    sender.size += 1
    this.#size += 1
    return 'new'
  }

  /** In memory that the next one uses again. */
  #entryOf(nonce: Uint8Array, senderNumber: number): NonceEntry {
    assert(nonce.length === 4 * nonceWords, 'a nonce has 16 bytes')
    const entry = this.#entry
    fillEntry(entry, nonce, senderNumber)
    entry.hash = this.#hash.of(entry.words)
    return entry
  }

  #outcomeFor(sender: Sender | undefined, entry: NonceEntry): NonceOutcome {
    if (sender !== undefined && this.#has(entry)) return 'seen'
    if (this.#size >= this.#entriesMax) return 'full'
    return (sender?.size ?? 0) >= this.#entriesPerSenderMax ? 'full' : 'new'
  }

  #has(entry: NonceEntry): boolean {
    for (const { table } of this.#buckets.values()) if (table.has(entry)) return true
    return false
  }

  /** Its number was nobody's before: a sender is forgotten only after its last entry. */
  #keep(sender: Sender): void {
    this.#lastNumber = sender.number
    this.#senders.set(sender.id, sender)
  }

  #bucketOf(keepUntilMs: number): Bucket {
    const index = Math.max(this.#oldest, Math.floor(keepUntilMs / bucketMs))
    let bucket = this.#buckets.get(index)
    if (bucket === undefined) {
      bucket = { table: new NonceTable(this.#hash), sizes: new Map() }
      this.#buckets.set(index, bucket)
    }
    return bucket
  }

  #dropExpired(): void {
    const current = Math.floor(this.#clock.now() / bucketMs)
    if (current === this.#oldest) return
    if (current < this.#oldest) {
      this.#turnBack(current)
      return
    }
    // Whichever is shorter: the buckets that exist, or the time that passed.
    if (current - this.#oldest > this.#buckets.size) {
      for (const bucket of this.#buckets.keys()) if (bucket < current) this.#drop(bucket)
    } else {
      for (let bucket = this.#oldest; bucket < current; bucket += 1) this.#drop(bucket)
    }
    this.#oldest = current
  }

  #turnBack(current: number): void {
    this.#oldest = current
    const last = current + Math.ceil(keptMsMax / bucketMs)
    for (const bucket of this.#buckets.keys()) if (bucket > last) this.#drop(bucket)
  }

  #drop(index: number): void {
    for (const [sender, size] of this.#buckets.get(index)?.sizes ?? []) {
      sender.size -= size
      this.#size -= size
      if (sender.size === 0) this.#senders.delete(sender.id)
    }
    this.#buckets.delete(index)
  }
}
