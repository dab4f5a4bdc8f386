/**
 * Nonces seen, kept until their envelopes have expired: what makes a replay detectable.
 *
 * Bounded in total and per sender, so that one sender cannot push out another's nonces. Entries are kept in
 * one-second buckets of expiry; forgetting a bucket is one step.
 */
import type { Clock } from '../base/index.ts'
import type { NodeId } from './ids.ts'

export interface NonceStoreOptions {
  readonly entriesMax: number
  /** At most this share of the entries may be one sender's. Default: a half. */
  readonly senderShareMax?: number
  readonly clock: Clock
}

export type NonceOutcome = 'new' | 'seen' | 'full'

const bucketMs = 1000

export class NonceStore {
  readonly #entriesMax: number
  readonly #senderEntriesMax: number
  readonly #clock: Clock
  readonly #seen = new Set<string>()
  readonly #perSender = new Map<NodeId, number>()
  /** Second of expiry → what to forget then. */
  readonly #buckets = new Map<number, { key: string; sender: NodeId }[]>()
  #forgottenUntil = 0

  constructor(options: NonceStoreOptions) {
    this.#entriesMax = options.entriesMax
    this.#senderEntriesMax = Math.ceil(options.entriesMax * (options.senderShareMax ?? 0.5))
    this.#clock = options.clock
  }

  get size(): number {
    return this.#seen.size
  }

  /** Remembers a nonce; `seen` and `full` must both refuse the envelope. */
  add(sender: NodeId, nonce: Uint8Array, expiresAtMs: number): NonceOutcome {
    this.#forget()
    const key = `${sender}${Buffer.from(nonce.buffer, nonce.byteOffset, nonce.length).toString('latin1')}`
    if (this.#seen.has(key)) return 'seen'
    const ofSender = this.#perSender.get(sender) ?? 0
    if (this.#seen.size >= this.#entriesMax || ofSender >= this.#senderEntriesMax) return 'full'
    this.#seen.add(key)
    this.#perSender.set(sender, ofSender + 1)
    const second = Math.floor(expiresAtMs / bucketMs) + 1
    const bucket = this.#buckets.get(second)
    if (bucket === undefined) this.#buckets.set(second, [{ key, sender }])
    else bucket.push({ key, sender })
    return 'new'
  }

  #forget(): void {
    const second = Math.floor(this.#clock.now() / bucketMs)
    if (second <= this.#forgottenUntil) return
    this.#forgottenUntil = second
    for (const [expiry, bucket] of this.#buckets) {
      if (expiry > second) continue
      this.#buckets.delete(expiry)
      for (const { key, sender } of bucket) this.#drop(key, sender)
    }
  }

  #drop(key: string, sender: NodeId): void {
    this.#seen.delete(key)
    const left = (this.#perSender.get(sender) ?? 1) - 1
    if (left === 0) this.#perSender.delete(sender)
    else this.#perSender.set(sender, left)
  }
}
