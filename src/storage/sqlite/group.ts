/**
 * What the main thread and the writing thread say to each other. Imports no other room: the thread
 * starts fast.
 */

import type { GroupBytes } from './group-entries.ts'

/** Of an observation, in the order of its row. */
export const observationColumns = [
  ...['at_ms', 'worker', 'model', 'decision', 'attempt', 'outcome', 'code', 'phase', 'blame'],
  ...['ttft_ms', 'tpot_ms', 'prompt_tokens', 'completion_tokens', 'in_flight', 'load'],
  'prompt_tokens_ahead',
] as const

const columns = observationColumns.join(', ')

const values = `VALUES (${observationColumns.map(() => '?').join(', ')})`
export const insertObservation = `INSERT INTO observations (${columns}) ${values}`
export const selectObservations =
  `SELECT ${columns} FROM observations ` +
  'WHERE at_ms >= ? AND sequence <= ? ORDER BY at_ms, sequence'

export const insertSighting =
  'INSERT OR IGNORE INTO sightings (worker, kind, from_ms, at_ms) VALUES (?, ?, ?, ?)'
export const selectSightings =
  'SELECT worker, kind, from_ms, at_ms FROM sightings WHERE at_ms >= ? ORDER BY at_ms, sequence'
/** One that is taken anew stands where a damaged one stood, or it would be lost without a word. */
export const insertIncidentStep =
  'INSERT INTO incident_steps (incident, step, json, signature) VALUES (?, ?, ?, ?) ' +
  'ON CONFLICT (incident, step) DO UPDATE SET json = excluded.json, signature = excluded.signature'
/** Those before it are older than the newest so many. */
export const selectIncidentStepBefore =
  'SELECT sequence FROM incident_steps ORDER BY sequence DESC LIMIT 1 OFFSET ?'
export const deleteIncidentSteps = 'DELETE FROM incident_steps WHERE sequence <= ?'
/** A quarantine of which a step is gone is none any more. The last step says what it is. */
export const deleteIncidentStepsOfOthers =
  `${deleteIncidentSteps} AND incident NOT IN (SELECT incident FROM (` +
  "SELECT incident, max(step), CASE WHEN json_valid(json) THEN json ->> '$.state' END AS state " +
  "FROM incident_steps GROUP BY incident) WHERE state IN ('quarantined', 'proving', 'probation'))"
export const selectIncidentSteps = 'SELECT json, signature FROM incident_steps ORDER BY sequence'
export const selectStepsOfIncident =
  'SELECT json, signature FROM incident_steps WHERE incident = ? ORDER BY step'

const ledgerColumns = [
  ...['worker', 'decision', 'attempt', 'at_ms', 'model', 'tier', 'hardware_class', 'policy'],
  ...['prompt_tokens', 'completion_tokens', 'billed_prompt_tokens', 'billed_completion_tokens'],
  ...['prompt_price', 'completion_price', 'amount', 'state'],
]
/** An attempt has one entry, however often it is written. */
export const insertEntry =
  `INSERT OR IGNORE INTO ledger_entries (${ledgerColumns.join(', ')}) ` +
  `VALUES (${ledgerColumns.map((_, i) => `?${i + 1}`).join(', ')})`
/** The same values. A sum that is over what is exact stays there: of nine million dollars. */
export const addToAccount =
  'INSERT INTO accounts VALUES ' +
  "(?1, iif(?16 = 'owed', 1, 0), iif(?16 = 'void', 1, 0), ?9, ?10, ?15, ?4, ?4) " +
  'ON CONFLICT (worker) DO UPDATE SET answers = answers + excluded.answers, ' +
  'voids = voids + excluded.voids, prompt_tokens = prompt_tokens + excluded.prompt_tokens, ' +
  'completion_tokens = completion_tokens + excluded.completion_tokens, ' +
  `amount = min(amount + excluded.amount, ${Number.MAX_SAFE_INTEGER}), last_ms = excluded.last_ms`
/** By time: base32 has its digits last, and texts in their own order have them first. */
export const selectEntries =
  `SELECT ${ledgerColumns.join(', ')} FROM ledger_entries ` +
  'WHERE worker = ? ORDER BY at_ms DESC, attempt DESC LIMIT ?'
export const selectAccounts = 'SELECT * FROM accounts ORDER BY worker'
export const selectAccount = 'SELECT * FROM accounts WHERE worker = ?'

/** The bytes are UTF-8 already: they become the text without being one in between. */
export const insertDecision =
  'INSERT OR REPLACE INTO decisions (id, key_id, json, seal, leaf) ' +
  'VALUES (?, ?, CAST(? AS TEXT), ?, ?)'
export const insertSeal = 'INSERT INTO seals (gateway, signature, leaves) VALUES (?, ?, ?)'
export const selectKept =
  'SELECT json, leaf, gateway, signature, leaves FROM decisions ' +
  'LEFT JOIN seals ON seals.sequence = decisions.seal WHERE id = ?'
export const insertView = 'INSERT INTO views (frame, at, bytes) VALUES (?, ?, ?)'
export const selectView = 'SELECT at, bytes FROM views WHERE frame = ? ORDER BY sequence'

export interface WriterOptions {
  readonly file: string
  readonly fileBytesMax: number
  readonly viewBytesMax: number
  readonly decisionsMax: number
  readonly observationsMax: number
  readonly ledgerEntriesMax: number
  readonly incidentStepsMax: number
  readonly observationAgeMaxMs: number
}

/** Committed together or not at all. */
export interface Group {
  readonly bytes: GroupBytes
  /** One signature over all decisions of the group; null: nobody signs, or there are none. */
  readonly seal: Seal | null
  /** ms since 1970, for what has become too old. */
  readonly now: number
}

export interface Seal {
  readonly gateway: string
  readonly signature: Uint8Array
  /** 32 bytes for each decision, in their order. */
  readonly leaves: Uint8Array
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
