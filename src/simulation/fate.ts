/** What has befallen each host so far: the truth that checkers hold beliefs against. */
import type { Fault } from './faults.ts'

export class Fate {
  readonly #faults: readonly Fault[]
  readonly #up: Uint8Array
  readonly #life: Int32Array
  readonly #pausedUntilMs: Float64Array
  readonly #group: Uint8Array
  #next = 0
  #nowMs = 0

  /** @param faults in order of time */
  constructor(hosts: number, faults: readonly Fault[]) {
    this.#faults = faults
    this.#up = new Uint8Array(hosts)
    this.#life = new Int32Array(hosts)
    this.#pausedUntilMs = new Float64Array(hosts)
    this.#group = new Uint8Array(hosts)
  }

  get hosts(): number {
    return this.#up.length
  }

  /** Goes on to this time, and says what happened on the way. */
  advance(nowMs: number): readonly Fault[] {
    const first = this.#next
    for (;;) {
      const fault = this.#faults[this.#next]
      if (fault === undefined || fault.atMs > nowMs) break
      this.#next += 1
      this.#apply(fault)
    }
    this.#nowMs = nowMs
    return this.#faults.slice(first, this.#next)
  }

  isUp(host: number): boolean {
    return this.#up[host] === 1
  }

  isPaused(host: number): boolean {
    return this.#nowMs < (this.#pausedUntilMs[host] as number)
  }

  /** Up and not paused. */
  isRunning(host: number): boolean {
    return this.isUp(host) && !this.isPaused(host)
  }

  /** Hosts of the same group reach each other. */
  groupOf(host: number): number {
    return this.#group[host] as number
  }

  /** Which process on the host it is: 1 is the first. */
  lifeOf(host: number): number {
    return this.#life[host] as number
  }

  #apply(fault: Fault): void {
    switch (fault.kind) {
      case 'start':
        this.#up[fault.host] = 1
        this.#life[fault.host] = this.lifeOf(fault.host) + 1
        return
      case 'crash':
        this.#up[fault.host] = 0
        this.#pausedUntilMs[fault.host] = 0
        return
      case 'pause': {
        const untilMs = fault.atMs + fault.forMs
        if (!this.isUp(fault.host)) return
        this.#pausedUntilMs[fault.host] = Math.max(
          this.#pausedUntilMs[fault.host] as number,
          untilMs,
        )
        return
      }
      case 'part':
        this.#group.fill(0)
        for (const host of fault.hosts) this.#group[host] = 1
        return
      case 'heal':
        this.#group.fill(0)
        return
    }
  }
}
