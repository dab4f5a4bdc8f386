/** What is answered to a member that says it is in: a pure function of the two rosters. */
import type { Roster } from './claims.ts'
import type { MessageOf } from './messages.ts'

export interface HereView {
  readonly mine: Pick<Roster, 'version' | 'coordinator'>
  /** Whether the sender has its seat here with the epoch that it says. */
  readonly isSeated: boolean
  /** Whether oneself coordinates, in one's own eyes. */
  readonly isCoordinator: boolean
}

export interface HereAnswer {
  /** It is heard; who has no seat here is told by the roster. */
  readonly isAcknowledged: boolean
  readonly showsRoster: boolean
  readonly wantsRoster: boolean
}

const acknowledgement = { isAcknowledged: true, showsRoster: false, wantsRoster: false }

export function answerToHere(
  { version, coordinator }: MessageOf<'here'>,
  { mine, isSeated, isCoordinator }: HereView,
): HereAnswer {
  const isAcknowledged = isSeated || !isCoordinator
  const isSame = version === mine.version && coordinator === mine.coordinator
  if (isAcknowledged && isSame) return acknowledgement
  return {
    isAcknowledged,
    // It learns that it has no seat, or none with this epoch; or, however old the roster is, why
    // the one that it takes for the coordinator is none.
    showsRoster: !isCoordinator || !isSeated || version < mine.version,
    // Only a roster with a signature proves that someone else has coordinated.
    wantsRoster: version > mine.version || (isSeated && version === mine.version),
  }
}
