/**
 * One suspicion: who accuses, and how long the suspect has left to refute (Lifeguard, section
 * IV.B). It starts with the longest time and shrinks with the logarithm of further accusers: who
 * hears nobody else accuse may be the one that is cut off.
 *
 * Another's verdict is one more accusation and no more. Keys are free to whoever may join: if any
 * number of verdicts ended a suspicion, their owner could kill whom it likes, unheard.
 */
import type { NodeId } from '../../protocol/index.ts'
import { membershipLimits } from './presets.ts'
import type { Accusation } from './statements.ts'

export interface SuspicionTimes {
  readonly shortestMs: number
  readonly longestMs: number
  /** Accusers besides the first that make it the shortest. 0: it is from the start. */
  readonly confirmations: number
}

/** Max - (Max - Min) · log(C + 1) / log(K + 1), the paper's formula. */
export function suspicionMs(times: SuspicionTimes, confirmed: number): number {
  const { shortestMs, longestMs, confirmations } = times
  if (confirmations < 1) return shortestMs
  const share = Math.log(confirmed + 1) / Math.log(confirmations + 1)
  return Math.max(shortestMs, longestMs - (longestMs - shortestMs) * share)
}

export class Suspicion {
  readonly #times: SuspicionTimes
  readonly #accusations = new Map<NodeId, Accusation>()
  #startedAtMs: number
  #isReminded = false

  constructor(times: SuspicionTimes, nowMs: number) {
    this.#times = times
    this.#startedAtMs = nowMs
  }

  get deadlineMs(): number {
    return this.#startedAtMs + this.#lengthMs
  }

  /** When something is to be done about it: at half of its time, and at its end. */
  get nextDueMs(): number {
    return this.#startedAtMs + (this.#isReminded ? 1 : 0.5) * this.#lengthMs
  }

  /**
   * The suspect is told from here as well, once, at half of its time: gossip may have lost its
   * refutation on the way here alone.
   * @returns what it is to be told, when it is time
   */
  takeReminder(nowMs: number): Accusation | undefined {
    if (this.#isReminded || nowMs < this.nextDueMs) return undefined
    this.#isReminded = true
    return this.accusations[0]
  }

  get #lengthMs(): number {
    return suspicionMs(this.#times, Math.max(0, this.#accusations.size - 1))
  }

  get accusations(): readonly Accusation[] {
    return [...this.#accusations.values()]
  }

  /** Whether this accuser was not heard before, and still counts. */
  isNew({ accuser }: Accusation): boolean {
    if (this.#accusations.has(accuser)) return false
    return this.#accusations.size < membershipLimits.accusersMax
  }

  /** @returns whether it made the suspicion as short as it gets */
  add(accusation: Accusation): boolean {
    this.#accusations.set(accusation.accuser, accusation)
    return this.#accusations.size === this.#times.confirmations + 1
  }

  postpone(byMs: number): void {
    this.#startedAtMs += byMs
  }
}
