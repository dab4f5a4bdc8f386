/** Decisions in memory: for tests, the simulator, and a gateway without a disk. */
import type { DecisionId } from '../../protocol/index.ts'
import type { Decision, DecisionStore } from '../../routing/index.ts'
import { decisionsMaxDefault } from '../limits.ts'

export class MemoryDecisionStore implements DecisionStore {
  readonly decisionsMax: number
  /** In the order of their last `put`. */
  readonly #decisions = new Map<DecisionId, Decision>()

  constructor(options: { readonly decisionsMax?: number } = {}) {
    this.decisionsMax = options.decisionsMax ?? decisionsMaxDefault
  }

  put(decision: Decision): void {
    this.#decisions.delete(decision.id)
    this.#decisions.set(decision.id, decision)
    if (this.#decisions.size <= this.decisionsMax) return
    const oldest = this.#decisions.keys().next().value
    if (oldest !== undefined) this.#decisions.delete(oldest)
  }

  get(id: DecisionId): Decision | undefined {
    return this.#decisions.get(id)
  }

  recent(count: number, keyId?: string): readonly Decision[] {
    const newest = [...this.#decisions.values()].reverse()
    const asked = keyId === undefined ? newest : newest.filter((one) => one.keyId === keyId)
    return asked.slice(0, Math.max(0, count))
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
