/**
 * How slow one is oneself (Lifeguard, section IV.A): 0 is healthy. A member that misses answers
 * which others should have given suspects itself first, and gives everyone more time.
 */
export class LocalHealth {
  #score = 0
  readonly #scoreMax: number

  /** @param scoreMax 0 turns it off */
  constructor(scoreMax: number) {
    this.#scoreMax = scoreMax
  }

  get score(): number {
    return this.#score
  }

  /** What intervals and timeouts are multiplied by. */
  get factor(): number {
    return this.#score + 1
  }

  worse(by: number): void {
    this.#score = Math.min(this.#scoreMax, this.#score + by)
  }

  better(): void {
    this.#score = Math.max(0, this.#score - 1)
  }
}
