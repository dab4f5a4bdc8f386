/**
 * Members whose clocks are so far from this one's that what they say is refused, or what this one
 * says. Who of both is wrong cannot be seen from one of them; from many it can be guessed.
 */
import type { NodeId } from '../../protocol/index.ts'
import type { RationedLog } from './rationed-log.ts'

/** Enough to tell one from most. */
const idsMax = 64

export class SkewWatch {
  readonly #intervalMs: number
  readonly #log: RationedLog
  readonly #ids = new Set<NodeId>()
  #sayAtMs = Number.NEGATIVE_INFINITY

  constructor(intervalMs: number, log: RationedLog) {
    this.#intervalMs = intervalMs
    this.#log = log
  }

  note(id: NodeId): void {
    if (this.#ids.size < idsMax) this.#ids.add(id)
  }

  /**
   * To be called now and then.
   * @param othersCount those with whom nothing is amiss, as far as is known
   */
  say(nowMs: number, othersCount: number): void {
    if (this.#ids.size === 0 || nowMs < this.#sayAtMs) return
    this.#sayAtMs = nowMs + this.#intervalMs
    const [member] = this.#ids
    const members = this.#ids.size
    this.#ids.clear()
    const likely = members > othersCount ? 'this machine’s' : 'theirs'
    this.#log.warn({
      kind: 'skew',
      message:
        'clocks differ by more than 30 s, and what is signed there is refused here or the other ' +
        `way round; likely ${likely} is wrong: have it set by NTP`,
      fields: { members, member: member ?? null },
    })
  }
}
