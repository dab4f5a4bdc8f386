/** What each host holds of the others, gathered from what happened at it. */
export type Belief = 'alive' | 'dead' | 'unknown'

export class Beliefs {
  readonly #alive: Set<number>[]
  /** By subject: who holds it dead. */
  readonly #dead = new Map<number, Set<number>>()

  constructor(hosts: number) {
    this.#alive = Array.from({ length: hosts }, () => new Set())
  }

  note(observer: number, subject: number, belief: Belief): void {
    const alive = this.#alive[observer]
    if (belief === 'alive') alive?.add(subject)
    else alive?.delete(subject)
    if (belief === 'dead') {
      const holders = this.#dead.get(subject)
      if (holders === undefined) this.#dead.set(subject, new Set([observer]))
      else holders.add(observer)
    } else this.#revive(observer, subject)
  }

  /** The process is gone, and all that it knew. */
  forget(observer: number): void {
    this.#alive[observer]?.clear()
    for (const subject of [...this.#dead.keys()]) this.#revive(observer, subject)
  }

  heldAliveBy(observer: number): ReadonlySet<number> {
    return this.#alive[observer] ?? nobody
  }

  heldDead(): Iterable<[subject: number, holders: ReadonlySet<number>]> {
    return this.#dead
  }

  #revive(observer: number, subject: number): void {
    const holders = this.#dead.get(subject)
    if (holders?.delete(observer) === true && holders.size === 0) this.#dead.delete(subject)
  }
}

const nobody: ReadonlySet<number> = new Set()
