/**
 * What the main thread and the writing thread say to each other. Imports nothing: the thread
 * starts fast.
 */

/** The values of the columns of an observation, in the order of the statement below. */
export type ObservationRow = readonly (string | number | null)[]

const columns =
  'at_ms, worker, model, decision, attempt, outcome, code, phase, blame, ttft_ms, tpot_ms, ' +
  'prompt_tokens, completion_tokens, in_flight'

const values = `VALUES (${'?, '.repeat(13)}?)`
export const insertObservation = `INSERT INTO observations (${columns}) ${values}`
export const selectObservations =
  `SELECT ${columns} FROM observations ` +
  'WHERE at_ms >= ? AND sequence <= ? ORDER BY at_ms, sequence'

export interface WriterOptions {
  readonly file: string
  readonly fileBytesMax: number
  readonly decisionsMax: number
  readonly observationsMax: number
  readonly observationAgeMaxMs: number
}

/** Committed together or not at all. */
export interface Group {
  readonly observations: readonly ObservationRow[]
  readonly decisions: readonly (readonly [id: string, json: string])[]
  /** ms since 1970, for what has become too old. */
  readonly now: number
}

export type WriterRequest = Group | 'close'

export interface WriterReply {
  /** The highest sequence number of the observations after a commit. */
  readonly sequence: number
  /** null: committed, on the disk. */
  readonly error: { readonly message: string; readonly errcode: number } | null
}

/** Incremented with every reply, so that the main thread can wait for one while it blocks. */
export const repliesIndex = 0

/** SQLite's extended result code; 0: not an error of SQLite. */
export function errcodeOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return 0
  return typeof error.errcode === 'number' ? error.errcode : 0
}
