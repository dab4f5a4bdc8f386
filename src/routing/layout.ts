/**
 * Where the numbers of a candidate lie: those that are read together lie together, in one array for
 * all candidates. A loop over thousands pays for each further array, and for each line of the
 * processor's cache.
 *
 * A file that loops over them takes these objects as constants of its own: V8 then knows their
 * numbers, while it looks up what is imported each time. Rows are as long as a power of two, and
 * `((row & rowMask) << shift) + cell` is where a value lies: of such a sum V8 knows that it cannot
 * overflow, so it need not look either.
 */

/** More rows than this no table has. */
export const rowMask = 0xfffff

/**
 * Where in a row of `times` each value is: what predicted times rest on, and nothing else. What a
 * prompt's tokens do to a time is a straight line, so that a decision has little left to do.
 */
export const time = {
  linkMs: 0,
  /** By its own statement; 0: it states none. */
  prefillMsPerToken: 1,
  /** To read any prompt, where it states no speed; 0: it does. */
  assumedMs: 2,
  /** ms per further token, with those that are there. */
  tpotMs: 3,
  /** Answers' times that pass until a slot is free. */
  turns: 4,
  /** Very many: unknown. */
  kvTokensFree: 5,
  /** Requests there, parts of one being a likelihood; and in whole ones. */
  occupancy: 6,
  present: 7,
  /** Until the first token with nobody there, by what is stated, as far as it can be relied on. */
  keptMs: 8,
  keptMsPerToken: 9,
  /**
   * And by the line that was fitted, as far as that can be: with nobody there, and with those that
   * are there.
   */
  lineIdleMs: 10,
  lineBusyMs: 11,
  lineMsPerToken: 12,
  /** How much the work of others counts besides; -1: no response was seen, nor is there a line. */
  othersShare: 13,
  /** To read the prompts that wait there; -1: unknown. */
  aheadMs: 14,
  /** How much what was seen of first tokens weighs against what is stated; 0: nothing was seen. */
  ttftShare: 15,
} as const
/** Two lines of a processor's cache. */
export const timesShift = 4
export const timesPerRow = 1 << timesShift

/** Where in a row of `records` each value is: what was seen of its work. */
export const record = {
  /** Of a right answer that comes back, bounds without time; and of a return the mean. */
  soundAtLeast: 0,
  soundAtMost: 1,
  completionMean: 2,
  samples: 3,
  /** Ends per ms. */
  hazardUpper: 4,
  hazardLower: 5,
  /** Observations of the time to the first token; -1: none ever. */
  timedSamples: 6,
  /** How often it is to be asked, on the mean, until it has answered. */
  repeats: 7,
} as const
/** One line of it. */
export const recordsShift = 3
export const recordsPerRow = 1 << recordsShift

/**
 * Where in a row of `timeliness` each value is: what only requests with an objective ask for. First
 * of the time to the first token, then of the further ones.
 */
export const timeliness = {
  /** -1: none was seen with its load. */
  samples: 0,
  /** Of their deviations from what was predicted, the squares' sum. */
  squares: 1,
  /** Bounds of the probability to be in time, where what is predicted is far sooner than asked. */
  sureAtLeast: 2,
  sureAtMost: 3,
} as const
export const furtherTokens = 4
export const timelinessShift = 3
export const timelinessPerRow = 1 << timelinessShift

/** Where in a row of `outlooks` each value is: what a decision works out of a candidate. */
export const outlook = {
  /** As `Prediction` has them. */
  idleTtftMs: 0,
  queueMs: 1,
  ttftMs: 2,
  totalMs: 3,
  /** With an objective: bounds of the probability that it is met. */
  timelyAtLeast: 4,
  timelyAtMost: 5,
  /** For the order: ms until a right answer, as far as it can be believed. */
  timeMs: 6,
  /** The same; Infinity: it can be told apart from the most reliable. */
  groupMs: 7,
} as const
/** One line of a processor's cache. */
export const outlooksShift = 3
export const outlooksPerRow = 1 << outlooksShift
