/** Where to go, and whom to measure first: pure functions of what is known. */
import type { NodeId } from '../../protocol/index.ts'
import { apartMs, type Card, type Viewpoint } from '../directory/card.ts'
import type { Neighbour } from '../directory/card-book.ts'
import { directoryLimits } from '../directory/limits.ts'
import { clusterLimits, clusterTimes } from './limits.ts'
import type { Trips } from './trips.ts'

export interface Proposal {
  readonly cluster: string
  /** A member that is known to be near. */
  readonly contact: NodeId
}

export interface Standpoint {
  readonly cluster: string
  /** Of one's present cluster. */
  readonly size: number
  /** Nearest first. Listed when asked for: of those who look around, few need them. */
  readonly neighbours: () => readonly Neighbour[]
  readonly trips: Trips
}

interface Tally {
  contact: NodeId
  contactMs: number
  near: number
  /** As the latest of their cards has it. */
  size: number
  issuedAtMs: number
}

/**
 * The cluster worth trying first: one with the most members that are known to be near; of equals,
 * the larger. Only larger ones than one's own, or equal ones with a lesser id: so that two do not
 * change places for ever.
 */
export function propose(
  { cluster, size, neighbours, trips }: Standpoint,
  isRefused: (cluster: string) => boolean,
): Proposal | undefined {
  const tallies = new Map<string, Tally>()
  for (const { card } of neighbours()) {
    if (card.cluster === cluster) continue // mostly
    const ms = trips.ms(card.id)
    if (ms === undefined || trips.isFar(card.id)) continue
    const { clusterSize, issuedAtMs } = card
    const tally = tallies.get(card.cluster)
    if (tally === undefined) {
      const found = { contact: card.id, contactMs: ms, near: 1, size: clusterSize, issuedAtMs }
      tallies.set(card.cluster, found)
      continue
    }
    tally.near += 1
    // Few members say every change: the latest word counts.
    if (issuedAtMs > tally.issuedAtMs) {
      tally.size = clusterSize
      tally.issuedAtMs = issuedAtMs
    }
    if (ms >= tally.contactMs) continue
    tally.contact = card.id
    tally.contactMs = ms
  }
  let best: Proposal | undefined
  let bestScore = 0
  for (const [id, { contact, near, size: claimed }] of tallies) {
    const score = near * nearWeight + Math.min(claimed, 64)
    if (score <= bestScore || isRefused(id)) continue
    if (!isBetter({ cluster: id, size: claimed }, { cluster, size })) continue
    best = { cluster: id, contact }
    bestScore = score
  }
  return best
}

/** A near member that was measured says more than a size that is only claimed. */
const nearWeight = 10

export function isBetter(
  one: { readonly cluster: string; readonly size: number },
  than: { readonly cluster: string; readonly size: number },
): boolean {
  if (one.size !== than.size) return one.size > than.size
  return one.cluster < than.cluster
}

export interface SaidSize {
  readonly said: number
  readonly is: number
  /** Since it was said. */
  readonly ageMs: number
  readonly isSpokesman: boolean
}

/**
 * Each member's card goes to all neighbours, a hundred for each: one newcomer is no reason to tell
 * them all, and a few members' word is enough for what changes little.
 */
export function isSizeNews({ said, is, ageMs, isSpokesman }: SaidSize): boolean {
  if (said === Math.max(1, is) || ageMs < clusterTimes.cardSizeEveryMs) return false
  const off = Math.abs(said - is) / Math.max(said, is)
  if (!isSpokesman) return off >= sizeOffMax
  return off >= spokesmansOffMax || ageMs >= clusterTimes.cardSizeSettledMs
}

/** So far from what it is may a size be that was said, of the larger of both. */
const sizeOffMax = 0.5
const spokesmansOffMax = 0.25

/**
 * The nearest neighbour that was never measured, when it is likely enough to be near; when there is
 * none, one that was found far although the witnesses see it near: an echo may have been held up.
 */
export function unexplored(
  { neighbours, trips }: Standpoint,
  boundMs: number,
  nowMs: number,
): NodeId | undefined {
  let doubted: NodeId | undefined
  for (const { card, apartMs: awayMs } of neighbours()) {
    if (awayMs > clusterLimits.exploreBoundsMax * boundMs) break
    const trip = trips.get(card.id)
    if (trip === undefined) return card.id
    if (!trip.isFar || awayMs > boundMs || doubted !== undefined) continue
    const { doubtAfterMs, doubtAfterMsMax } = clusterTimes
    const afterMs = Math.min(doubtAfterMsMax, doubtAfterMs * 2 ** (trip.samples - 1))
    if (nowMs - trip.atMs >= afterMs) doubted = card.id
  }
  return doubted
}

export interface Ranking {
  /** Likeliest violators first; those of whom nothing is known before all. */
  readonly order: readonly NodeId[]
  /** How many are likely to be too far. */
  readonly doubts: number
}

export function rank(
  ids: readonly NodeId[],
  own: Viewpoint,
  view: { readonly boundMs: number; cardOf(id: NodeId): Viewpoint | undefined },
): Ranking {
  const away = ids.map((id) => {
    const card = view.cardOf(id)
    return { id, ms: card === undefined ? directoryLimits.unknownMs : apartMs(own, card) }
  })
  away.sort((a, b) => b.ms - a.ms)
  const doubtMs = clusterLimits.doubtBoundsMin * view.boundMs
  let doubts = 0
  for (const { ms } of away) if (ms > doubtMs && ms < directoryLimits.unknownMs) doubts += 1
  return { order: away.map(({ id }) => id), doubts }
}

/** Of those cards that are there, some of those farthest from the viewer. */
export function farthestCards(
  viewer: Viewpoint,
  cards: readonly (Card | undefined)[],
  countMax: number,
): Card[] {
  const away: { card: Card; ms: number }[] = []
  for (const card of cards) {
    if (card !== undefined) away.push({ card, ms: apartMs(viewer, card) })
  }
  away.sort((a, b) => b.ms - a.ms)
  return away.slice(0, countMax).map(({ card }) => card)
}
