/**
 * When a member compares all that it knows with another, and when it tries one that is missed:
 * after a partition somebody must speak first.
 */
import type { Random } from '../../base/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { nothing } from '../nothing.ts'
import type { MembershipPreset } from './presets.ts'
import type { Roster } from './roster.ts'

export interface PushPullModules {
  readonly random: Random
  readonly roster: Roster
}

/** So many members try as often as the preset says; more of them as often together... */
const triersMin = 8
/** ...and however many they are, each at least once in so many times that. */
const triesSharedMax = 8

export class PushPullTimes {
  readonly #preset: MembershipPreset
  readonly #modules: PushPullModules
  #seeds: readonly NodeId[] = []
  #compareAtMs: number
  /** Once, besides the usual comparisons: those who join together do not compare in step. */
  #afterJoinMs = Number.POSITIVE_INFINITY
  #tryAtMs: number
  /** Whether somebody was missed when it was looked last, or is since. */
  #isMissing = true
  /** Came back from the dead by its own word: what else it knows is asked for soon. */
  #reunited: NodeId | undefined

  constructor(preset: MembershipPreset, modules: PushPullModules, nowMs: number) {
    this.#preset = preset
    this.#modules = modules
    this.#compareAtMs = nowMs + modules.random.below(preset.pushPullIntervalMs)
    this.#tryAtMs = nowMs + modules.random.below(preset.reconnectIntervalMs)
  }

  get nextDueMs(): number {
    return Math.min(this.#compareAtMs, this.#afterJoinMs, this.#tryAtMs)
  }

  /**
   * Members to start from: one that is not heard of is missed. What they tell may be about to
   * change: of one who was leaving meanwhile they know once it is gone, so one compares again then.
   */
  join(seeds: readonly NodeId[], nowMs: number): void {
    const { joinRetryMs, leaveMs, reunionMs } = this.#preset
    this.#seeds = seeds
    this.#isMissing = true
    this.#tryAtMs = nowMs + joinRetryMs
    this.#afterJoinMs = nowMs + leaveMs + reunionMs
  }

  /** A member is not heard of any more. */
  miss(nowMs: number): void {
    const everyMs = this.#tryEveryMs
    // Once for many: who draws anew for each has the earliest of its draws, as all others have.
    if (this.#isMissing && this.#tryAtMs <= nowMs + everyMs) return
    this.#isMissing = true
    this.#tryAtMs = nowMs + this.#modules.random.below(everyMs)
  }

  /** One from beyond a healed partition: compare again when both sides have had time to refute. */
  reunite(id: NodeId, nowMs: number): void {
    const soonMs = nowMs + this.#preset.reunionMs
    this.#reunited = id
    this.#compareAtMs = Math.min(this.#compareAtMs, soonMs)
    this.#tryAtMs = Math.min(this.#tryAtMs, soonMs)
  }

  /** With whom to compare now: a member, one who is missed, or both. */
  due(nowMs: number): readonly NodeId[] {
    if (nowMs < this.nextDueMs) return nothing
    const due = [
      nowMs >= this.#compareAtMs ? this.#partner(nowMs) : undefined,
      nowMs >= this.#afterJoinMs ? this.#partnerAfterJoining() : undefined,
      nowMs >= this.#tryAtMs ? this.#missed(nowMs) : undefined,
    ]
    return due.filter((id) => id !== undefined)
  }

  #partner(nowMs: number): NodeId | undefined {
    this.#compareAtMs = nowMs + this.#preset.pushPullIntervalMs
    const partner = this.#reunited ?? this.#modules.roster.anyone(this.#modules.random)
    this.#reunited = undefined
    return partner
  }

  #partnerAfterJoining(): NodeId | undefined {
    this.#afterJoinMs = Number.POSITIVE_INFINITY
    return this.#modules.roster.anyone(this.#modules.random)
  }

  /** One who is thought dead, or a seed. */
  #missed(nowMs: number): NodeId | undefined {
    const { random, roster } = this.#modules
    const missed = roster.oneLost(this.#seeds, random)
    this.#isMissing = missed !== undefined
    // Where nobody is missed, nobody is woken for it: a seed may be forgotten in time.
    this.#tryAtMs = this.#isMissing ? nowMs + this.#tryEveryMs : this.#compareAtMs
    return missed
  }

  /** All members miss the same ones: the more there are, the seldomer each of them tries. */
  get #tryEveryMs(): number {
    const { joinRetryMs, reconnectIntervalMs } = this.#preset
    const { clusterSize, provenSize } = this.#modules.roster
    if (clusterSize === 1) return joinRetryMs
    const times = Math.min(triesSharedMax, Math.max(1, provenSize / triersMin))
    return Math.ceil(reconnectIntervalMs * times)
  }
}
