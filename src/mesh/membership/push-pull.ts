/**
 * Push-pull: two members compare what they hold in short, and send in full only where they differ.
 */
import type { NodeId } from '../../protocol/index.ts'
import { type MemberSummary, stateRank } from './messages.ts'
import { membershipLimits } from './presets.ts'
import type { Roster } from './roster.ts'
import {
  type Accusation,
  type AliveStatement,
  type Statement,
  statementBytes,
} from './statements.ts'

export interface Difference {
  /** Where the other is behind, or knows nothing. */
  readonly ahead: readonly NodeId[]
  /** Where the other knows more. */
  readonly wants: readonly NodeId[]
}

/**
 * @param theirs the other's summary
 * @param mine what is held here, oneself included
 */
export function difference(
  theirs: readonly MemberSummary[],
  mine: readonly MemberSummary[],
): Difference {
  const held = new Map<NodeId, MemberSummary>()
  for (const summary of mine) held.set(summary.id, summary)
  const ahead: NodeId[] = []
  const wants: NodeId[] = []
  const listed = new Set<NodeId>()
  for (const other of theirs) {
    listed.add(other.id)
    const own = held.get(other.id)
    if (own === undefined) {
      if (!isGone(other)) wants.push(other.id)
    } else if (isNewer(own, other)) ahead.push(other.id)
    else if (isNewer(other, own)) wants.push(other.id)
  }
  // Of the dead whom the other never knew it needs no word.
  for (const own of mine) if (!listed.has(own.id) && !isGone(own)) ahead.push(own.id)
  return { ahead, wants }
}

/** What one's partner asked for, or lacks, as far as it fits into one reply. */
export function statementsFor(
  to: NodeId,
  subjects: readonly NodeId[],
  { own, roster }: { readonly own: AliveStatement; readonly roster: Roster },
): Statement[] {
  const said: Statement[] = []
  for (const id of subjects) {
    // What is said of the receiver itself must not fall to the limit: it comes first.
    if (id === to) said.unshift(...roster.statementsOf(id))
    else if (id === own.subject) said.push(own)
    else said.push(...roster.statementsOf(id))
  }
  return fitting(said)
}

/**
 * Who is alive here and accused by one who is dead here, or was: one accusation each. Accuser and
 * accused were on the two sides of a partition.
 */
export function accusedElsewhere(news: readonly Statement[], roster: Roster): Accusation[] {
  const found = new Map<NodeId, Accusation>()
  for (const statement of news) {
    if (!('accuser' in statement)) continue
    const { subject, incarnation } = statement
    if (roster.get(subject)?.alive.incarnation !== incarnation) continue
    if (roster.isFromBeyond(statement)) found.set(subject, statement)
  }
  return [...found.values()]
}

/** The first statements that fit into one reply; the rest follow with the next push-pull. */
function fitting(statements: Iterable<Statement>): Statement[] {
  const chosen: Statement[] = []
  let room = membershipLimits.syncBytesMax
  for (const statement of statements) {
    room -= statementBytes(statement)
    if (room < 0) break
    chosen.push(statement)
  }
  return chosen
}

function isGone({ state }: MemberSummary): boolean {
  return state === 'dead' || state === 'left'
}

function isNewer(one: MemberSummary, other: MemberSummary): boolean {
  if (one.incarnation !== other.incarnation) return one.incarnation > other.incarnation
  return stateRank[one.state] > stateRank[other.state]
}
