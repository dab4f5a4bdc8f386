/**
 * An empty array for all who have nothing to say, which is asked for at every step. It is not
 * frozen: V8 takes a loop over arrays of which some are frozen by calls, and makes an object for
 * each turn of it.
 */
export const nothing: readonly never[] = []
