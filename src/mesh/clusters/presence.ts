/**
 * Which members answer. Members tell the coordinator now and then that they are in; it answers. A
 * coordinator that does not is passed over, and a member that is not heard is absent. Membership's
 * word (SWIM) comes sooner and counts as well. The absent keep their seats for long: a partition
 * that heals changes nothing.
 */
import type { NodeId } from '../../protocol/index.ts'
import { coordinatorIn, type Roster } from './claims.ts'
import { around, type ClusterContext } from './context.ts'
import { clusterTimes } from './limits.ts'

export class Presence {
  readonly #context: ClusterContext
  /** Since when. */
  readonly #absent = new Map<NodeId, number>()
  /** Said themselves that they are elsewhere. */
  readonly #gone = new Set<NodeId>()
  /** Absent by one's own guess alone: nothing came from them for too long. */
  readonly #guessed = new Set<NodeId>()
  readonly #heardAtMs = new Map<NodeId, number>()
  #asked: NodeId | undefined
  #tries = 0
  #dueMs: number
  #remindAtMs = Number.NEGATIVE_INFINITY
  #coordinatingSinceMs = Number.POSITIVE_INFINITY

  constructor(context: ClusterContext, nowMs: number) {
    this.#context = context
    this.#dueMs = nowMs + around(clusterTimes.firstHereMs, context.random)
  }

  get absent(): ReadonlyMap<NodeId, number> {
    return this.#absent
  }

  get nextDueMs(): number {
    return this.#dueMs
  }

  /** All are there, and nobody was asked who has not answered. */
  get isCalm(): boolean {
    return this.#absent.size === 0 && this.#asked === undefined
  }

  isGone(id: NodeId): boolean {
    return this.#gone.has(id)
  }

  /** @returns whether it had been absent */
  heard(id: NodeId, nowMs: number): boolean {
    this.#heardAtMs.set(id, nowMs)
    this.#guessed.delete(id)
    return !this.#gone.has(id) && this.#absent.delete(id)
  }

  lost(id: NodeId, nowMs: number): void {
    this.#guessed.delete(id)
    if (!this.#absent.has(id)) this.#absent.set(id, nowMs)
  }

  gone(id: NodeId, nowMs: number): void {
    this.#gone.add(id)
    this.lost(id, nowMs)
  }

  /** Only those with a seat matter. */
  keepOnly(isSeated: (id: NodeId) => boolean): void {
    for (const id of this.#absent.keys()) if (!isSeated(id)) this.#absent.delete(id)
    for (const id of this.#gone) if (!isSeated(id)) this.#gone.delete(id)
    for (const id of this.#guessed) if (!isSeated(id)) this.#guessed.delete(id)
    for (const id of this.#heardAtMs.keys()) if (!isSeated(id)) this.#heardAtMs.delete(id)
  }

  /** The coordinator may be another now: it shall hear soon. */
  hurry(nowMs: number): void {
    this.#asked = undefined
    this.#dueMs = Math.min(this.#dueMs, nowMs + this.#context.random.below(hurryMs))
  }

  /** The coordinator does not know something; it may not come to know it by one's word. */
  remind(nowMs: number): void {
    if (this.#asked !== undefined || nowMs < this.#remindAtMs) return
    this.#remindAtMs = nowMs + clusterTimes.hereTimeoutMs
    this.#dueMs = Math.min(this.#dueMs, nowMs + this.#context.random.below(hurryMs))
  }

  /** @returns whether someone is not absent any more */
  acknowledged(from: NodeId, roster: Roster, nowMs: number): boolean {
    if (from !== this.#asked) return false
    this.#asked = undefined
    this.#dueMs = nowMs + around(clusterTimes.hereEveryMs, this.#context.random)
    return this.#trust(from, roster)
  }

  /** There is a coordinator: who sits after it is its care, and no guess of one's own. */
  #trust(coordinator: NodeId, { seats }: Roster): boolean {
    if (this.#guessed.size === 0) return false
    let isAfter = false
    let isChanged = false
    for (const { id } of seats) {
      if (isAfter && this.#guessed.delete(id)) isChanged = this.#absent.delete(id) || isChanged
      if (id === coordinator) isAfter = true
    }
    return isChanged
  }

  #guess(id: NodeId, nowMs: number): void {
    this.lost(id, nowMs)
    this.#guessed.add(id)
  }

  /** @returns whether someone has become absent */
  tick(roster: Roster, epoch: number, nowMs: number): boolean {
    if (nowMs < this.#dueMs) return false
    const { self, random } = this.#context
    const coordinator = coordinatorIn(roster, this.#absent)
    this.#greetSenior(roster, epoch)
    if (coordinator === self || coordinator === undefined) {
      this.#asked = undefined
      this.#coordinatingSinceMs = Math.min(this.#coordinatingSinceMs, nowMs)
      this.#dueMs = nowMs + around(clusterTimes.hereEveryMs, random)
      return this.#listen(roster, nowMs)
    }
    this.#coordinatingSinceMs = Number.POSITIVE_INFINITY
    if (this.#asked === coordinator && this.#tries >= clusterTimes.hereTries) {
      this.#asked = undefined
      this.#guess(coordinator, nowMs)
      this.#dueMs = nowMs + random.below(hurryMs)
      return true
    }
    this.#tries = this.#asked === coordinator ? this.#tries + 1 : 1
    this.#asked = coordinator
    this.#dueMs = nowMs + clusterTimes.hereTimeoutMs
    this.#greet(coordinator, roster, epoch)
    return false
  }

  /** The first of the absent before the coordinator: when it is back, it coordinates again. */
  #greetSenior(roster: Roster, epoch: number): void {
    if (this.#absent.size === 0) return
    for (const { id } of roster.seats) {
      if (!this.#absent.has(id)) return
      if (this.#gone.has(id)) continue
      this.#greet(id, roster, epoch)
      return
    }
  }

  #greet(to: NodeId, { cluster, version, coordinator }: Roster, epoch: number): void {
    this.#context.send(to, { kind: 'here', cluster, version, coordinator, epoch })
  }

  #listen(roster: Roster, nowMs: number): boolean {
    let isChanged = false
    for (const { id } of roster.seats) {
      if (id === this.#context.self || this.#absent.has(id)) continue
      const lastMs = Math.max(this.#heardAtMs.get(id) ?? 0, this.#coordinatingSinceMs)
      if (nowMs - lastMs <= clusterTimes.silentMs) continue
      this.#guess(id, nowMs)
      isChanged = true
    }
    return isChanged
  }
}

/** All members hear of a lost coordinator at once: their words are spread over this. */
const hurryMs = 500
