/**
 * What must not be wrong for long, whatever happens. Each says who or what is wrong at this moment;
 * `Overdue` says for how long.
 */
import type { Fate } from '../fate.ts'
import type { Placement } from '../network/placement.ts'
import type { Beliefs } from './beliefs.ts'
import { type Claims, noCluster } from './claims.ts'

export interface Truth {
  readonly fate: Fate
  readonly claims: Claims
  readonly beliefs: Beliefs
}

/** Running members that other running members of their cluster, within reach, hold dead. */
export function* heldDead(
  { fate, claims, beliefs }: Truth,
  by: 'every other' | 'some other',
): Iterable<number> {
  for (const [subject, holders] of beliefs.heldDead()) {
    const cluster = claims.clusterOf(subject)
    if (!fate.isRunning(subject) || cluster === undefined) continue
    const group = fate.groupOf(subject)
    let others = 0
    let agreeing = 0
    for (const other of claims.membersOf(cluster)) {
      if (other === subject || !fate.isRunning(other) || fate.groupOf(other) !== group) continue
      others += 1
      if (holders.has(other)) agreeing += 1
    }
    if (agreeing > 0 && (by === 'some other' || agreeing === others)) yield subject
  }
}

/** Running hosts that are in one cluster, and a member within reach of another cluster lists. */
export function* sharedMembers({ fate, claims, beliefs }: Truth): Iterable<number> {
  const shared = new Set<number>()
  for (let observer = 0; observer < fate.hosts; observer += 1) {
    const cluster = claims.numberOf(observer)
    if (cluster === noCluster || !fate.isRunning(observer)) continue
    for (const subject of beliefs.heldAliveBy(observer)) {
      const other = claims.numberOf(subject)
      if (other === cluster || other === noCluster || !fate.isRunning(subject)) continue
      if (fate.groupOf(subject) === fate.groupOf(observer)) shared.add(subject)
    }
  }
  yield* shared
}

/** Clusters of which more than one pair in twenty is further apart than the bound. */
export class WideClusters {
  readonly #boundMs: number
  readonly #placement: Placement
  readonly #wide = new Set<string>()

  constructor(boundMs: number, placement: Placement) {
    this.#boundMs = boundMs
    this.#placement = placement
  }

  /** Looks again at those whose members have changed. */
  now(claims: Claims): Iterable<string> {
    for (const cluster of claims.takeChanged()) {
      if (this.#isWide([...claims.membersOf(cluster)])) this.#wide.add(cluster)
      else this.#wide.delete(cluster)
    }
    return this.#wide
  }

  #isWide(members: readonly number[]): boolean {
    let above = 0
    for (const [index, member] of members.entries()) {
      for (let other = 0; other < index; other += 1) {
        const otherMember = members[other] as number
        if (this.#placement.roundTripMs(member, otherMember) > this.#boundMs) above += 1
      }
    }
    const pairs = (members.length * (members.length - 1)) / 2
    return above > pairs - Math.ceil(percentile * pairs)
  }
}

/** The bound holds for this percentile of a cluster's pairs. */
export const percentile = 0.95
