/**
 * Which nonces were seen, for as long as an envelope that carries them could still be accepted.
 *
 * Constant time per nonce: entries lie in buckets of time, and a bucket is dropped as a whole once
 * it is over. The number of entries is bounded, in all and per sender; when a bound is reached,
 * new envelopes are refused instead of old nonces forgotten, since forgetting would let a replay
 * through.
 */
import { assert, type Clock } from '../base/index.ts'
import type { NodeId } from './ids.ts'

export interface NonceStoreOptions {
  /** In all; an entry takes about 150 bytes. */
  readonly entriesMax: number
  /** So that one sender cannot shut out the others. Default: half of `entriesMax`. */
  readonly entriesPerSenderMax?: number
  readonly clock: Clock
}

export type NonceOutcome = 'new' | 'seen' | 'full'

/** How exactly entries end; longer is harmless, and shorter means more buckets. */
const bucketMs = 4_000

interface Entry {
  readonly sender: NodeId
  readonly nonce: string
}

export class NonceStore {
  readonly #entriesMax: number
  readonly #entriesPerSenderMax: number
  readonly #clock: Clock
  readonly #senders = new Map<NodeId, Set<string>>()
  readonly #buckets = new Map<number, Entry[]>()
  /** No bucket before this one is left. */
  #oldest: number
  #size = 0

  constructor(options: NonceStoreOptions) {
    assert(options.entriesMax >= 1, 'a nonce store holds at least one entry')
    this.#entriesMax = options.entriesMax
    this.#entriesPerSenderMax = options.entriesPerSenderMax ?? Math.ceil(options.entriesMax / 2)
    this.#clock = options.clock
    this.#oldest = Math.floor(options.clock.now() / bucketMs)
  }

  get size(): number {
    return this.#size
  }

  /** Remembers the nonce at least until `keepUntilMs`, unless it was seen or there is no room. */
  add(sender: NodeId, nonce: Uint8Array, keepUntilMs: number): NonceOutcome {
    this.#dropExpired()
    const key = Buffer.from(nonce.buffer, nonce.byteOffset, nonce.length).toString('latin1')
    const seen = this.#senders.get(sender)
    if (seen?.has(key)) return 'seen'
    if (this.#size >= this.#entriesMax) return 'full'
    if (seen !== undefined && seen.size >= this.#entriesPerSenderMax) return 'full'
    if (seen === undefined) this.#senders.set(sender, new Set([key]))
    else seen.add(key)
    this.#size += 1
    const bucket = Math.max(this.#oldest, Math.floor(keepUntilMs / bucketMs))
    const entries = this.#buckets.get(bucket)
    if (entries === undefined) this.#buckets.set(bucket, [{ sender, nonce: key }])
    else entries.push({ sender, nonce: key })
    return 'new'
  }

  #dropExpired(): void {
    const current = Math.floor(this.#clock.now() / bucketMs)
    if (current <= this.#oldest) return
    // Whichever is shorter: the buckets that exist, or the time that passed.
    if (current - this.#oldest > this.#buckets.size) {
      for (const bucket of this.#buckets.keys()) if (bucket < current) this.#drop(bucket)
    } else {
      for (let bucket = this.#oldest; bucket < current; bucket += 1) this.#drop(bucket)
    }
    this.#oldest = current
  }

  #drop(bucket: number): void {
    for (const { sender, nonce } of this.#buckets.get(bucket) ?? []) {
      const seen = this.#senders.get(sender)
      seen?.delete(nonce)
      if (seen?.size === 0) this.#senders.delete(sender)
      this.#size -= 1
    }
    this.#buckets.delete(bucket)
  }
}
