/**
 * Rosters of members that do not coordinate in one's own eyes. One of the two has lost sight of
 * somebody, and learns better while a partition heals; who still signs after that pretends. And
 * for the coordinator: how often it answers such a one with a later roster, which goes to all.
 */
import type { NodeId } from '../../protocol/index.ts'
import { clusterTimes } from './limits.ts'

interface Dispute {
  readonly sinceMs: number
  lastMs: number
}

interface Answer {
  readonly atMs: number
  /** Until the next. */
  readonly gapMs: number
}

export type Standpoint = 'new' | 'open' | 'over'

export class Disputes {
  readonly #disputes = new Map<NodeId, Dispute>()
  readonly #answers = new Map<NodeId, Answer>()

  /** How long it has gone on that this one signs. */
  note(signer: NodeId, nowMs: number): Standpoint {
    const { healingMs } = clusterTimes
    const known = this.#disputes.get(signer)
    // What was quiet for so long was settled; this is another one.
    if (known === undefined || nowMs - known.lastMs > healingMs) {
      this.#disputes.set(signer, { sinceMs: nowMs, lastMs: nowMs })
      return 'new'
    }
    known.lastMs = nowMs
    return nowMs - known.sinceMs > healingMs ? 'over' : 'open'
  }

  /** Whether to answer this one now: at first soon, then each time after twice as long. */
  takeAnswer(signer: NodeId, nowMs: number): boolean {
    const { healingMs, overrideEveryMs } = clusterTimes
    const last = this.#answers.get(signer)
    const quietMs = nowMs - (last?.atMs ?? Number.NEGATIVE_INFINITY)
    if (last !== undefined && quietMs < last.gapMs) return false
    const isFirst = last === undefined || quietMs > last.gapMs + healingMs
    const gapMs = isFirst ? overrideEveryMs : Math.min(healingMs, 2 * last.gapMs)
    this.#answers.set(signer, { atMs: nowMs, gapMs })
    return true
  }

  /** Only those with a seat can sign at all. */
  keepOnly(isSeated: (id: NodeId) => boolean): void {
    for (const all of [this.#disputes, this.#answers]) {
      for (const id of all.keys()) if (!isSeated(id)) all.delete(id)
    }
  }
}
