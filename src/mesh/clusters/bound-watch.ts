/** For how long a cluster has violated its bound, and what follows from that for a member. */
import { clusterTimes } from './limits.ts'

export type Consequence = 'wait' | 'too-far' | 'dismiss' | 'deserted'

export class BoundWatch {
  #sinceMs: number | undefined

  get isViolated(): boolean {
    return this.#sinceMs !== undefined
  }

  /** Those who must leave had the time to hear of it. */
  isOld(nowMs: number): boolean {
    return this.#sinceMs !== undefined && nowMs - this.#sinceMs >= clusterTimes.leaveAfterMs
  }

  /**
   * Who must leave does first; then the coordinator drops those who do not, and then everyone
   * leaves whose coordinator does not.
   */
  judge(
    isViolated: boolean,
    { isOneself, isCoordinator }: { isOneself: boolean; isCoordinator: boolean },
    nowMs: number,
  ): Consequence {
    if (!isViolated) {
      this.#sinceMs = undefined
      return 'wait'
    }
    this.#sinceMs ??= nowMs
    const { desertAfterMs, dropAfterMs } = clusterTimes
    if (isOneself) return this.isOld(nowMs) ? 'too-far' : 'wait'
    const sinceMs = nowMs - this.#sinceMs
    if (isCoordinator) return sinceMs >= dropAfterMs ? 'dismiss' : 'wait'
    return sinceMs >= desertAfterMs ? 'deserted' : 'wait'
  }
}
