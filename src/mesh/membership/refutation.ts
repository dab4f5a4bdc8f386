/**
 * When what is said of oneself has to be answered by a higher incarnation, which only oneself can
 * sign (SWIM, section 4.2).
 */
import type { Roster } from './roster.ts'
import type { Statement } from './statements.ts'

/**
 * Own statements of a higher incarnation that may have been heard: an earlier life's last ones,
 * while members differ in which they hold. Whoever hears more shares its key with a living process.
 */
const earlierStatementsMax = 3

/** Notices another process with the same key: each outdoes the other's incarnation, for ever. */
export class TwinWatch {
  #heard = 0

  /** @returns whether this one can no longer be from an earlier life; ever less often */
  outdone({ kind }: Statement): boolean {
    if (kind !== 'alive') return false
    this.#heard += 1
    return this.#heard > earlierStatementsMax && Number.isInteger(Math.log2(this.#heard))
  }
}

/** Whoever still spreads this has not heard what its subject has said since. */
export function isOutdated({ incarnation, kind }: Statement, ownIncarnation: number): boolean {
  return (kind === 'suspect' || kind === 'dead') && incarnation < ownIncarnation
}

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
