/**
 * A roster as what has changed in it: a full one has 2.7 kB, and while a cluster forms, a new one
 * goes to each member each second. The signature is over the whole, so a change that was put
 * together wrongly is no roster at all.
 */
import type { NodeId } from '../../protocol/index.ts'
import type { Roster, Seat } from './claims.ts'
import type { ClusterSend, MessageOf } from './messages.ts'

type Change = MessageOf<'roster-change'>

/** What a coordinator has told all members, and who came since. */
export class Publication {
  /** With the version by which each was admitted, and which it was told then. */
  readonly newcomers = new Map<NodeId, number>()
  #last: Roster | undefined

  /** What each of the others is told now: newcomers everything, as they have no version before. */
  of(whole: MessageOf<'roster'>, others: readonly NodeId[]): ClusterSend[] {
    const change = changeOf(this.#last, whole)
    const sends: ClusterSend[] = []
    for (const to of others) {
      const knows = this.newcomers.get(to)
      if (knows === whole.roster.version) continue
      sends.push({ to, message: change === undefined || knows !== undefined ? whole : change })
    }
    this.#last = whole.roster
    this.newcomers.clear()
    return sends
  }
}

/** What makes the one of the other, both by one coordinator. Undefined: nothing shorter does. */
export function changeOf(
  before: Roster | undefined,
  { roster, standings }: MessageOf<'roster'>,
): Change | undefined {
  if (before?.coordinator !== roster.coordinator) return undefined
  const was = new Map(before.seats.map(({ id, epoch }) => [id, epoch]))
  const is = new Map(roster.seats.map(({ id, epoch }) => [id, epoch]))
  const seats = roster.seats.filter(({ id, epoch }) => was.get(id) !== epoch)
  const gone = before.seats.filter(({ id, epoch }) => is.get(id) !== epoch).map(({ id }) => id)
  const base = before.version
  const change: Change = {
    kind: 'roster-change',
    roster: { ...roster, seats },
    base,
    gone,
    standings,
  }
  const isShorter = seats.length + gone.length < roster.seats.length
  return isShorter && areSame(changed(before, change).seats, roster.seats) ? change : undefined
}

/** Where a change falls for who has this roster; `apart`: it changes another. */
export function placeOf(
  { base, roster }: Change,
  mine: Roster,
): 'known' | 'old' | 'next' | 'apart' {
  const isOneLine = roster.coordinator === mine.coordinator
  if (roster.version < mine.version) return 'old'
  if (roster.version === mine.version) return isOneLine ? 'known' : 'old'
  return isOneLine && base === mine.version ? 'next' : 'apart'
}

/** The whole, for who has the version that it changes. */
export function changed(before: Roster, { roster, gone }: Change): Roster {
  const ended = new Set<NodeId>(gone)
  const seats = before.seats.filter(({ id }) => !ended.has(id))
  return { ...roster, seats: [...seats, ...roster.seats] }
}

function areSame(one: readonly Seat[], other: readonly Seat[]): boolean {
  if (one.length !== other.length) return false
  return one.every(({ id, epoch }, place) => {
    const seat = other[place]
    return seat?.id === id && seat.epoch === epoch
  })
}
