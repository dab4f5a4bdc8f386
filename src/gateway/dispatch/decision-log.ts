/**
 * Decisions of requests under way, readable at once, and the store that keeps the finished ones.
 */
import type { DecisionId } from '../../protocol/index.ts'
import type { Decision, DecisionStore } from '../../routing/index.ts'

export class DecisionLog {
  readonly #store: DecisionStore
  readonly #open = new Map<DecisionId, Decision>()

  constructor(store: DecisionStore) {
    this.#store = store
  }

  open(decision: Decision): void {
    this.#open.set(decision.id, decision)
  }

  update(decision: Decision): void {
    this.#open.set(decision.id, decision)
  }

  close(decision: Decision): void {
    this.#open.delete(decision.id)
    this.#store.put(decision)
  }

  get(id: DecisionId): Decision | undefined {
    return this.#open.get(id) ?? this.#store.get(id)
  }

  /** Newest first; those under way are the newest. */
  recent(count: number): readonly Decision[] {
    const running = [...this.#open.values()].reverse().slice(0, count)
    return [...running, ...this.#store.recent(count - running.length)]
  }
}
