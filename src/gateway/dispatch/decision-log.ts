/**
 * Decisions of requests under way, readable at once, and the store that keeps the finished ones.
 */
import { SlotList } from '../../base/index.ts'
import type { DecisionId } from '../../protocol/index.ts'
import {
  type Decision,
  type DecisionStore,
  type KeptDecision,
  piecesOf,
  textOfDecision,
} from '../../routing/index.ts'

/** A request under way, with its decision as it is now. */
export interface OpenDecision {
  readonly decision: Decision
}

export class DecisionLog {
  readonly #store: DecisionStore
  readonly #open = new SlotList<OpenDecision>()

  constructor(store: DecisionStore) {
    this.#store = store
  }

  /** Returns what `close` is to be called with. */
  open(request: OpenDecision): number {
    return this.#open.add(request)
  }

  close(slot: number, decision: Decision): void {
    this.#open.remove(slot)
    this.#putViews(decision)
    this.#store.put(decision)
  }

  get(id: DecisionId): Decision | undefined {
    for (const { decision } of this.#open) if (decision.id === id) return decision
    return this.#store.get(id)
  }

  /** With its signature; a request under way has none yet. */
  kept(id: DecisionId): KeptDecision | undefined {
    for (const { decision } of this.#open) {
      if (decision.id !== id) continue
      this.#putViews(decision)
      return { text: textOfDecision(decision), seal: null }
    }
    return this.#store.kept(id)
  }

  /** What decisions saw, as much of the frame as is kept. */
  view(frame: string): Uint8Array | undefined {
    return this.#store.view(frame)
  }

  #putViews({ rounds }: Decision): void {
    for (const piece of piecesOf(rounds)) this.#store.putView(piece)
  }

  /** How many finished ones are kept. */
  get decisionsMax(): number {
    return this.#store.decisionsMax
  }

  /**
   * Newest first; those under way are the newest.
   * @param keyId only of requests with this API key; undefined: all
   */
  recent(count: number, keyId?: string): readonly Decision[] {
    const all = [...this.#open].map(({ decision }) => decision)
    const running = keyId === undefined ? all : all.filter((one) => one.keyId === keyId)
    running.sort((a, b) => b.atMs - a.atMs)
    const shown = running.slice(0, count)
    return [...shown, ...this.#store.recent(count - shown.length, keyId)]
  }
}
