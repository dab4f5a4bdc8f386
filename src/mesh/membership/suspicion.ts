/**
 * One suspicion: who accuses, and how long the suspect has left to refute (Lifeguard, section
 * IV.B). It starts with the longest time and shrinks with the logarithm of further accusers: who
 * hears nobody else accuse may be the one that is cut off.
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

  constructor(times: SuspicionTimes, nowMs: number) {
    this.#times = times
    this.#startedAtMs = nowMs
  }

  get deadlineMs(): number {
    return this.#startedAtMs + suspicionMs(this.#times, Math.max(0, this.#accusations.size - 1))
  }

  get accusations(): readonly Accusation[] {
    return [...this.#accusations.values()]
  }

  /** Different members whose own suspicion is over. */
  get verdicts(): number {
    let count = 0
    for (const { kind } of this.#accusations.values()) if (kind === 'dead') count += 1
    return count
  }

  /** Whether it says more than the same accuser has said. */
  isNew({ accuser, kind }: Accusation): boolean {
    const before = this.#accusations.get(accuser)
    if (before === undefined) return this.#accusations.size < membershipLimits.accusersMax
    return before.kind === 'suspect' && kind === 'dead'
  }

  /** @returns whether others need it too: it shortened the suspicion, or is a verdict */
  add(accusation: Accusation): boolean {
    const isAnother = !this.#accusations.has(accusation.accuser)
    this.#accusations.set(accusation.accuser, accusation)
    const counts = isAnother && this.#accusations.size <= this.#times.confirmations + 1
    return counts || accusation.kind === 'dead'
  }

  postpone(byMs: number): void {
    this.#startedAtMs += byMs
  }
}
