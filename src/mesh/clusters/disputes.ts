/**
 * Rosters of members that do not coordinate in one's own eyes. One of the two has lost sight of
 * somebody, and learns better while a partition heals; who still signs after that pretends.
 */
import type { NodeId } from '../../protocol/index.ts'
import { clusterTimes } from './limits.ts'

interface Dispute {
  readonly sinceMs: number
  lastMs: number
}

export type Standpoint = 'new' | 'open' | 'over'

export class Disputes {
  readonly #disputes = new Map<NodeId, Dispute>()

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

  /** Only those with a seat can sign at all. */
  keepOnly(isSeated: (id: NodeId) => boolean): void {
    for (const id of this.#disputes.keys()) if (!isSeated(id)) this.#disputes.delete(id)
  }
}
