/**
 * Nodes to which everyone measures its round trip, so that any two can compare what they see. They
 * are those with the lowest hashes of their ids among all that exist: everyone comes to the same
 * ones by gossip, and when one is gone the next takes its place.
 */
import type { NodeId, NodeKey } from '../../protocol/index.ts'

interface Ranked {
  readonly id: NodeId
  readonly rank: number
}

export class Witnesses {
  readonly #count: number
  readonly #keptMax: number
  #ranked: Ranked[] = []
  #digest = 0
  #changedAtMs: number

  /** @param counts.kept how many are remembered: those counted, and successors */
  constructor(counts: { readonly count: number; readonly kept: number }, nowMs: number) {
    this.#count = counts.count
    this.#keptMax = counts.kept
    this.#changedAtMs = nowMs
  }

  /** Equal for those who have the same witnesses. */
  get digest(): number {
    return this.#digest
  }

  get changedAtMs(): number {
    return this.#changedAtMs
  }

  /** Lowest hash first. */
  ids(): NodeId[] {
    return this.#ranked.slice(0, this.#count).map(({ id }) => id)
  }

  /** Those and their successors. */
  kept(): NodeId[] {
    return this.#ranked.map(({ id }) => id)
  }

  has(id: NodeId): boolean {
    return this.#ranked.some((one) => one.id === id)
  }

  wouldKeep(id: NodeId): boolean {
    const last = this.#ranked[this.#ranked.length - 1]
    return this.#ranked.length < this.#keptMax || last === undefined || rankOf(id) < last.rank
  }

  /** @returns who is no longer kept: the id itself, another, or nobody */
  offer(id: NodeId, nowMs: number): NodeId | undefined {
    const rank = rankOf(id)
    const last = this.#ranked[this.#ranked.length - 1]
    const isFull = this.#ranked.length >= this.#keptMax
    if (isFull && last !== undefined && rank >= last.rank) return this.has(id) ? undefined : id
    if (this.has(id)) return undefined
    let place = this.#ranked.length
    while (place > 0 && (this.#ranked[place - 1] as Ranked).rank > rank) place -= 1
    this.#ranked.splice(place, 0, { id, rank })
    if (place < this.#count) this.#note(nowMs)
    return isFull ? this.#ranked.pop()?.id : undefined
  }

  remove(id: NodeId, nowMs: number): void {
    const place = this.#ranked.findIndex((one) => one.id === id)
    if (place < 0) return
    this.#ranked.splice(place, 1)
    if (place < this.#count) this.#note(nowMs)
  }

  #note(nowMs: number): void {
    this.#changedAtMs = nowMs
    this.#digest = 0
    const counted = Math.min(this.#count, this.#ranked.length)
    for (let i = 0; i < counted; i += 1) {
      this.#digest = (Math.imul(this.#digest, 31) + (this.#ranked[i] as Ranked).rank) >>> 0
    }
  }
}

/** FNV-1a, mixed once more: ids that differ little rank differently. */
export function rankOf(id: NodeId | NodeKey): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
