/** When the checkers look. */
const checkEveryMs = 1_000

/** Ends with the run itself. */
export function* checkTimesMs(lengthMs: number): Iterable<number> {
  for (let atMs = checkEveryMs; atMs < lengthMs; atMs += checkEveryMs) yield atMs
  yield lengthMs
}
