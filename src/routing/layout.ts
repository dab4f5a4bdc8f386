/**
 * Where the numbers of a candidate lie: those that are read together lie together, in one array for
 * all candidates. A loop over thousands pays for each further array, and for each line of the
 * processor's cache.
 *
 * A file that loops over them takes these objects as constants of its own: V8 then knows their
 * numbers, while it looks up what is imported each time.
 */

/** Where in a row of `times` each value is: what predicted times rest on, and nothing else. */
export const time = {
  linkMs: 0,
  /** By its own statement; 0: it states none. */
  prefillMsPerToken: 1,
  /** Tokens of prompts that wait there; -1: unknown. */
  tokensAhead: 2,
  /** ms per further token, with those that are there. */
  tpotMs: 3,
  /** Answers' times that pass until a slot is free. */
  turns: 4,
  /** Infinity: unknown. */
  kvTokensFree: 5,
  /** Requests there, parts of one being a likelihood; and in whole ones. */
  occupancy: 6,
  present: 7,
  /** -1: no response was seen; the next six are void then. */
  responseSamples: 8,
  /** How much the line that was fitted weighs against what is stated. */
  responseShare: 9,
  /** The line for a prompt without tokens, with nobody there, and with those that are there. */
  lineIdleMs: 10,
  lineBusyMs: 11,
  msPerPromptToken: 12,
  /** By how much longer it took than stated, as far as that can be relied on. */
  keptShare: 13,
  ttftMs: 14,
  /** How much what was seen weighs against what is stated; 0: nothing was seen. */
  ttftShare: 15,
} as const
/** Two lines of a processor's cache. */
export const timesPerRow = 16

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
} as const
/** One line of it. */
export const recordsPerRow = 8

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
export const timelinessPerRow = 2 * furtherTokens

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
export const outlooksPerRow = 8
