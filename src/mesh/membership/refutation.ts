/**
 * When what is said of oneself has to be answered by a higher incarnation, which only oneself can
 * sign (SWIM, section 4.2).
 */
import type { Roster } from './roster.ts'
import type { Statement } from './statements.ts'

export function needsAnswer(statement: Statement, ownIncarnation: number, roster: Roster): boolean {
  const { incarnation, kind } = statement
  switch (kind) {
    case 'suspect':
    case 'dead':
      // A dead accuser may be alive beyond a partition; a stranger's word moves nobody. And one's
      // own higher incarnation of an earlier life is proven by one's own signature only.
      return incarnation === ownIncarnation && roster.summaryOf(statement.accuser) !== undefined
    case 'left':
      return incarnation >= ownIncarnation
    case 'alive':
      return incarnation > ownIncarnation
  }
}
