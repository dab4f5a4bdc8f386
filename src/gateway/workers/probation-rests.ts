/**
 * Who is on probation gets one request at a time, and none for a while after it has begun: whatever
 * the order of candidates says, its share stays small.
 */
import { examinationRules, type Standing } from '../../evidence/index.ts'

const { restMs } = examinationRules

interface Resting {
  standing: Standing | undefined
  readonly inFlight: number
}

interface Rest {
  readonly awake: Standing
  readonly untilMs: number
}

export class ProbationRests<E extends Resting> {
  readonly #rests = new Map<E, Rest>()

  get size(): number {
    return this.#rests.size
  }

  /** Something else stands against it, or nothing any more; its rest is not cut short by that. */
  stand(entry: E, standing: Standing | undefined): void {
    const rest = this.#rests.get(entry)
    this.#rests.delete(entry)
    entry.standing = standing
    if (rest !== undefined && standing?.takes === true) this.#rest(entry, standing, rest.untilMs)
  }

  /** A request goes there. @param nowMs monotonic */
  began(entry: E, nowMs: number): void {
    const { standing } = entry
    if (standing?.takes === true) this.#rest(entry, standing, nowMs + restMs)
  }

  /** @returns those that a request may go to again */
  wake(nowMs: number): readonly E[] {
    const woken: E[] = []
    for (const [entry, { awake, untilMs }] of this.#rests) {
      if (nowMs < untilMs || entry.inFlight > 0) continue
      this.#rests.delete(entry)
      entry.standing = awake
      woken.push(entry)
    }
    return woken
  }

  /** It has connected anew: that is no rest. */
  move(from: E, to: E): void {
    const rest = this.#rests.get(from)
    this.#rests.delete(from)
    if (rest !== undefined) this.#rests.set(to, rest)
  }

  forget(entry: E): void {
    this.#rests.delete(entry)
  }

  #rest(entry: E, awake: Standing, untilMs: number): void {
    const { takes: _, words, ...standing } = awake
    const pace = `one request at a time, and one in ${restMs / 1_000} s`
    entry.standing = { ...standing, words: `${words}: ${pace}` }
    this.#rests.set(entry, { awake, untilMs })
  }
}
