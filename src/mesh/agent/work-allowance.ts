/**
 * How much work a peer may cause: so much a second, and some at once. Beyond it nothing is looked
 * at, and the peer goes into debt.
 */
export interface WorkBounds {
  readonly perSecondMax: number
  readonly burstMax: number
  readonly debtMax: number
}

export class WorkAllowance {
  readonly #bounds: WorkBounds
  #level: number
  #atMs: number

  constructor(bounds: WorkBounds, nowMs: number) {
    this.#bounds = bounds
    this.#level = bounds.burstMax
    this.#atMs = nowMs
  }

  /** Far beyond its bound: the peer does not mend itself. */
  get isSpent(): boolean {
    return this.#level <= -this.#bounds.debtMax
  }

  /** @returns whether the work may be done */
  take(work: number, nowMs: number): boolean {
    const { burstMax, debtMax, perSecondMax } = this.#bounds
    const gained = (Math.max(0, nowMs - this.#atMs) / 1_000) * perSecondMax
    this.#level = Math.max(-debtMax, Math.min(burstMax, this.#level + gained) - work)
    this.#atMs = nowMs
    return this.#level >= 0
  }
}
