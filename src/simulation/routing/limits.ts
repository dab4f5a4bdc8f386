/** How long what takes in a run: as gateways and nodes have it that ship. */

export const limits = {
  attemptsMax: 3,
  firstTokenMs: 30_000,
  silenceMs: 60_000,
  /** A node reports so often, and so soon after a change of its load. */
  reportEveryMs: 2_000,
  reportAfterMs: 50,
}
/** A link that owes an answer for longer than a second is overdue; a silent member dies in 8 s. */
export const overdueAfterMs = 1_500
export const deadAfterMs = 8_000
export const lookEveryMs = 250
/** What is under way at the end may still finish; what does not is lost. */
export const drainMs = 60_000
export const jitterShare = 0.05
