/**
 * Who died or left, and at which incarnation: gossip that is no newer cannot bring them back. Only
 * a newer incarnation can, which only the member itself can sign. Entries expire; by then every
 * statement from before has expired too.
 */
import type { NodeId } from '../../protocol/index.ts'
import { membershipLimits } from './presets.ts'
import type { Statement } from './statements.ts'

export interface Tombstone {
  readonly id: NodeId
  readonly incarnation: number
  readonly reason: 'dead' | 'left'
  readonly sinceMs: number
  readonly untilMs: number
  /** What was said of it: told to it if it speaks again, so that it can refute. */
  readonly statements: readonly Statement[]
  /** It has answered this member while it lived. */
  readonly hasAnswered: boolean
}

export class DeadSet {
  /** In order of expiry, because all entries are kept equally long. */
  readonly #tombstones = new Map<NodeId, Tombstone>()
  #expireAtMs = Number.POSITIVE_INFINITY

  get size(): number {
    return this.#tombstones.size
  }

  /** Nothing expires before. */
  get expireAtMs(): number {
    return this.#expireAtMs
  }

  get(id: NodeId): Tombstone | undefined {
    return this.#tombstones.get(id)
  }

  values(): IterableIterator<Tombstone> {
    return this.#tombstones.values()
  }

  add(tombstone: Tombstone): void {
    this.#tombstones.delete(tombstone.id)
    if (this.#tombstones.size >= membershipLimits.deadSetMax) this.#makeRoom()
    this.#tombstones.set(tombstone.id, tombstone)
    this.#expireAtMs = Math.min(this.#expireAtMs, tombstone.untilMs)
  }

  /** It has come back with a newer incarnation. */
  remove(id: NodeId): void {
    this.#tombstones.delete(id)
  }

  expire(nowMs: number): void {
    if (nowMs < this.#expireAtMs) return
    this.#expireAtMs = Number.POSITIVE_INFINITY
    for (const { id, untilMs } of this.#tombstones.values()) {
      if (untilMs > nowMs) {
        this.#expireAtMs = untilMs
        return
      }
      this.#tombstones.delete(id)
    }
  }

  /** Names that came and went must not wash away those of members that were there. */
  #makeRoom(): void {
    let first: NodeId | undefined
    for (const { hasAnswered, id } of this.#tombstones.values()) {
      first ??= id
      if (hasAnswered) continue
      this.#tombstones.delete(id)
      return
    }
    if (first !== undefined) this.#tombstones.delete(first)
  }
}
