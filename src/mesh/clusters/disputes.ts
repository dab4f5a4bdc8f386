/**
 * Rosters of members that do not coordinate in one's own eyes. One of the two has lost sight of
 * somebody, and learns better while a partition heals; who still signs after that pretends. And
 * for the coordinator: when it answers with a later roster, which goes to all.
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
  /** That another has signed: the highest that was shown. */
  #version = 0
  #answeredAtMs = Number.NEGATIVE_INFINITY
  /** Until the next answer. */
  #gapMs = 0

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

  /**
   * Another's roster was shown, and its signature holds. It is answered at once, the next ones each
   * time after twice as long. An answer is above all that was shown, whoever shows what again.
   * @returns above which version to sign; undefined: not now
   */
  answer(version: number, nowMs: number): number | undefined {
    const { healingMs, overrideEveryMs, overrideEveryMsMax } = clusterTimes
    this.#version = Math.max(this.#version, version)
    const sinceMs = nowMs - this.#answeredAtMs
    if (sinceMs < this.#gapMs) return undefined
    const isNew = sinceMs > this.#gapMs + healingMs
    this.#gapMs = isNew ? overrideEveryMs : Math.min(overrideEveryMsMax, 2 * this.#gapMs)
    this.#answeredAtMs = nowMs
    return this.#version
  }

  /** Only those with a seat can sign at all. */
  keepOnly(isSeated: (id: NodeId) => boolean): void {
    for (const id of this.#disputes.keys()) if (!isSeated(id)) this.#disputes.delete(id)
  }
}
