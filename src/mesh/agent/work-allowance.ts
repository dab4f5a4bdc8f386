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
    this.#gain(nowMs)
    this.#level = Math.max(-this.#bounds.debtMax, this.#level - work)
    return this.#level >= 0
  }

  /** Takes it only where it leaves no debt. @returns whether it did */
  takeIfCovered(work: number, nowMs: number): boolean {
    this.#gain(nowMs)
    if (this.#level < work) return false
    this.#level -= work
    return true
  }

  /** It was another's. */
  giveBack(work: number): void {
    this.#level = Math.min(this.#bounds.burstMax, this.#level + work)
  }

  #gain(nowMs: number): void {
    const { burstMax, perSecondMax } = this.#bounds
    const gained = (Math.max(0, nowMs - this.#atMs) / 1_000) * perSecondMax
    this.#level = Math.min(burstMax, this.#level + gained)
    this.#atMs = nowMs
  }
}
