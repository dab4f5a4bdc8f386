/** Whose tick was missed: said once of each silence, until the member is heard again. */
import type { NodeId, NodeKey } from '../../protocol/index.ts'
import { missedAfterMs } from './limits.ts'
import type { NodeEntry } from './node-entry.ts'

export class Silence {
  readonly #self: NodeId
  readonly #silent = new Set<NodeKey>()
  /** Until then no tick can be missed: whoever speaks puts it off. */
  #lookAtMs = 0

  constructor(self: NodeId) {
    this.#self = self
  }

  /** It speaks, or is not a member any more. */
  over(key: NodeKey): void {
    this.#silent.delete(key)
  }

  clear(): void {
    this.#silent.clear()
  }

  /** Members whose tick has been missed since the last look. */
  look(members: Iterable<NodeEntry>, nowMs: number): NodeId[] {
    const missed: NodeId[] = []
    if (nowMs < this.#lookAtMs) return missed
    this.#lookAtMs = nowMs + missedAfterMs(0)
    for (const member of members) {
      const { heardAtMs, key, tickMs } = member
      const missedAtMs = heardAtMs + missedAfterMs(tickMs)
      if (nowMs < missedAtMs) {
        this.#lookAtMs = Math.min(this.#lookAtMs, missedAtMs)
        continue
      }
      if (this.#silent.has(key) || member.id === this.#self) continue
      this.#silent.add(key)
      missed.push(member.id)
    }
    return missed
  }
}
