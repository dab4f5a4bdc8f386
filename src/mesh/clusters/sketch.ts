/**
 * Keeps one's round trips to the witnesses: measured once everyone agrees who they are, again now
 * and then, one at a time.
 */
import { type NodeId, type NodeKey, nodeKeyOf, type SketchedTrip } from '../../protocol/index.ts'
import { directoryLimits } from '../directory/limits.ts'
import type { ClusterContext } from './context.ts'
import { clusterTimes } from './limits.ts'

export interface WitnessSource {
  witnesses(): NodeId[]
  readonly witnessesSinceMs: number
}

export class Sketch {
  readonly #context: ClusterContext
  readonly #source: WitnessSource
  #trips: readonly SketchedTrip[] = []
  /** Those of which one knows already whether they answer. */
  #doneSinceMs: number | undefined
  /** Not before this: one witness after the other. */
  #nextAtMs: number
  #refreshAtMs: number
  #refreshPlace = 0

  constructor(context: ClusterContext, source: WitnessSource, nowMs: number) {
    this.#context = context
    this.#source = source
    this.#nextAtMs = nowMs + clusterTimes.witnessesSettleMs
    this.#refreshAtMs = nowMs + clusterTimes.witnessRefreshMs
  }

  get nextDueMs(): number {
    const { witnessesSinceMs } = this.#source
    if (this.#doneSinceMs === witnessesSinceMs) return this.#refreshAtMs
    return Math.max(this.#nextAtMs, witnessesSinceMs + clusterTimes.witnessesSettleMs)
  }

  /** In the order of their ids. */
  get trips(): readonly SketchedTrip[] {
    return this.#trips
  }

  /** As it was in an earlier life, until it is measured anew. */
  restore(trips: readonly SketchedTrip[]): void {
    this.#trips = trips
  }

  /** @returns whether the sketch is another now */
  tick(nowMs: number): boolean {
    if (nowMs < this.nextDueMs) return false
    const { witnessesSinceMs } = this.#source
    if (this.#doneSinceMs === witnessesSinceMs) return this.#refresh(nowMs)
    for (const id of this.#source.witnesses()) {
      if (id === this.#context.self || this.#context.trips.has(id)) continue
      this.#context.measure(id)
      this.#nextAtMs = nowMs + clusterTimes.witnessEveryMs
      return false
    }
    this.#doneSinceMs = witnessesSinceMs
    return this.#rebuild()
  }

  #refresh(nowMs: number): boolean {
    const ids = this.#source.witnesses()
    const id = ids[this.#refreshPlace % Math.max(1, ids.length)]
    if (id !== undefined && id !== this.#context.self) this.#context.measure(id)
    this.#refreshPlace += 1
    this.#refreshAtMs = nowMs + clusterTimes.witnessRefreshMs / Math.max(1, ids.length)
    return this.#rebuild()
  }

  #rebuild(): boolean {
    const { self, trips } = this.#context
    const found = new Map<NodeKey, number>()
    const before = new Map(this.#trips.map(({ key, ms }) => [key, ms]))
    for (const id of this.#source.witnesses()) {
      const ms = id === self ? 0 : trips.ms(id)
      const key = nodeKeyOf(id)
      if (ms !== undefined) found.set(key, steady(before.get(key), ms))
    }
    // Former witnesses: others may still have them in their sketches.
    for (const [key, ms] of before) {
      if (found.size < directoryLimits.sketchMax && !found.has(key)) found.set(key, ms)
    }
    const sketch = [...found].map(([key, ms]) => ({ key, ms }))
    sketch.sort((a, b) => (a.key < b.key ? -1 : 1))
    const isSame =
      sketch.length === this.#trips.length &&
      sketch.every(({ key, ms }, place) => {
        const known = this.#trips[place]
        return known?.key === key && known.ms === ms
      })
    if (!isSame) this.#trips = sketch
    return !isSame
  }
}

/** Small changes are no news. */
function steady(before: number | undefined, ms: number): number {
  if (before === undefined) return ms
  return Math.abs(ms - before) < Math.max(1, 0.05 * before) ? before : ms
}
