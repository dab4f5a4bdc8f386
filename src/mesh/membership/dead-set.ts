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
  readonly statements: readonly Statement[]
  /**
   * Its own last words and the last word on it: told to it if it speaks again, so that it can
   * refute. Of the dead that word is this member's own, whom it knows; it need not know the others.
   */
  readonly verdict: readonly Statement[]
  /** It has answered this member while it lived. */
  readonly hasAnswered: boolean
  /** When it was last told, since it spoke. */
  toldAtMs: number
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

  add(buried: Omit<Tombstone, 'toldAtMs'>): void {
    const tombstone = { ...buried, toldAtMs: Number.NEGATIVE_INFINITY }
    this.#tombstones.delete(tombstone.id)
    if (this.#tombstones.size >= membershipLimits.deadSetMax) this.#makeRoom()
    this.#tombstones.set(tombstone.id, tombstone)
    this.#expireAtMs = Math.min(this.#expireAtMs, tombstone.untilMs)
  }

  /**
   * Whether one who speaks is to be told now that it is dead here, so that it can say more. Two who
   * hold each other for dead must not answer each other without end.
   */
  takeWord(id: NodeId, { nowMs, everyMs }: { nowMs: number; everyMs: number }): boolean {
    const tombstone = this.#tombstones.get(id)
    if (tombstone?.reason !== 'dead' || nowMs - tombstone.toldAtMs < everyMs) return false
    tombstone.toldAtMs = nowMs
    return true
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
