/**
 * The writing thread: commits groups, each with one flush of the disk (synchronous = FULL), which
 * takes milliseconds that the gateway's own thread does not have. Removes what is over the limits.
 */
import { DatabaseSync } from 'node:sqlite'
import { type MessagePort, workerData } from 'node:worker_threads'
import {
  addToAccount,
  deleteIncidentSteps,
  deleteIncidentStepsOfOthers,
  errcodeOf,
  type Group,
  insertDecision,
  insertEntry,
  insertIncidentStep,
  insertObservation,
  insertSeal,
  insertSighting,
  insertView,
  repliesIndex,
  selectIncidentStepBefore,
  type WriterOptions,
  type WriterReply,
  type WriterRequest,
} from './group.ts'
import { readGroup } from './group-entries.ts'

export interface ThreadData {
  readonly options: WriterOptions
  readonly port: MessagePort
  readonly replies: Int32Array<SharedArrayBuffer>
}

/** Waits this long for another connection, such as a person's sqlite3. */
const busyTimeoutMs = 2_000
/** The write-ahead log is cut back to this after a checkpoint. */
const logBytesMax = 64 * 1024 * 1024
/** Removing is cheap but not free: done when the excess may have reached a tenth. */
const removalsPerLimit = 10

const { options, port, replies } = workerData as ThreadData
let database: DatabaseSync | undefined
let insertedObservations = Number.POSITIVE_INFINITY
let insertedDecisions = Number.POSITIVE_INFINITY
let insertedSightings = Number.POSITIVE_INFINITY
let insertedSteps = Number.POSITIVE_INFINITY
let insertedEntries = Number.POSITIVE_INFINITY
/** Of the views in the file; undefined: not counted yet. */
let viewBytes: number | undefined

port.on('message', (request: WriterRequest) => {
  if (request === 'close') {
    database?.close()
    port.close()
    return
  }
  const reply = answer(request)
  port.postMessage(reply)
  Atomics.add(replies, repliesIndex, 1)
  Atomics.notify(replies, repliesIndex)
})

function answer(group: Group): WriterReply {
  try {
    database ??= open()
    return { sequence: commitWithinLimit(database, group), error: null }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { sequence: 0, error: { message, errcode: errcodeOf(error) } }
  }
}

function open(): DatabaseSync {
  const opened = new DatabaseSync(options.file, { timeout: busyTimeoutMs })
  opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
  opened.exec(`PRAGMA journal_size_limit = ${logBytesMax}`)
  const pageBytes = Number(opened.prepare('PRAGMA page_size').get()?.['page_size'] ?? 4_096)
  opened.exec(
    `PRAGMA max_page_count = ${Math.max(1, Math.floor(options.fileBytesMax / pageBytes))}`,
  )
  return opened
}

/** A file at its size limit gives up its oldest quarter until there is room. */
function commitWithinLimit(database: DatabaseSync, group: Group): number {
  for (let removals = 0; ; removals += 1) {
    try {
      return commit(database, group)
    } catch (error) {
      if ((errcodeOf(error) & 0xff) !== full || removals === removalsMax) throw error
      removeQuarter(database, 'observations')
      removeQuarter(database, 'decisions')
      removeQuarter(database, 'sightings')
      removeQuarter(database, 'views')
      removeEntries(database, Math.floor(rowsOf(database, 'ledger_entries') * 0.75))
      viewBytes = undefined
    }
  }
}

function removeQuarter(database: DatabaseSync, table: string): void {
  removeOldest(database, table, Math.floor(rowsOf(database, table) * 0.75))
}

function rowsOf(database: DatabaseSync, table: string): number {
  const row = database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()
  return Number(row?.['rows'] ?? 0)
}

/** After these a tenth is left: then the disk itself is full, and removing does not help. */
const removalsMax = 8

/** SQLITE_FULL */
const full = 13

function commit(database: DatabaseSync, group: Group): number {
  database.exec('BEGIN IMMEDIATE')
  try {
    insertAll(database, group)
    removeExcess(database, group.now)
    const row = database.prepare('SELECT max(sequence) AS sequence FROM observations').get()
    database.exec('COMMIT')
    return Number(row?.['sequence'] ?? 0)
  } catch (error) {
    viewBytes = undefined
    // A full disk may have rolled the transaction back already.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function insertAll(database: DatabaseSync, group: Group): void {
  const observation = database.prepare(insertObservation)
  const decision = database.prepare(insertDecision)
  const sighting = database.prepare(insertSighting)
  const incidentStep = database.prepare(insertIncidentStep)
  const entry = database.prepare(insertEntry)
  const account = database.prepare(addToAccount)
  const views = new Map<string, ViewPart>()
  const seal = sealOf(database, group)
  let leaf = 0
  readGroup(group.bytes, {
    observation(row) {
      observation.run(...row)
      insertedObservations += 1
    },
    decision({ id, keyId }, json) {
      decision.run(id, keyId, json, seal, seal === null ? null : leaf)
      leaf += 1
      insertedDecisions += 1
    },
    sighting(row) {
      sighting.run(...row)
      insertedSightings += 1
    },
    incidentStep(row) {
      incidentStep.run(...row)
      insertedSteps += 1
    },
    ledgerEntry(row) {
      // One that is there already is in its account, too.
      if (entry.run(...row).changes === 0) return
      account.run(...row)
      insertedEntries += 1
    },
    view(frame, at, bytes) {
      const end = at + bytes.length
      const part = views.get(frame)
      if (part === undefined) views.set(frame, { at, end, pieces: [bytes] })
      // Behind a gap nothing can be read.
      else if (at === part.end) {
        part.pieces.push(bytes)
        part.end = end
      }
    },
  })
  insertViews(database, views)
}

/** What the group has of a frame: the pieces follow each other. */
interface ViewPart {
  readonly at: number
  end: number
  readonly pieces: Uint8Array[]
}

/** Which row signs the decisions of the group. */
function sealOf(database: DatabaseSync, { seal }: Group): number | null {
  if (seal === null) return null
  const { gateway, leaves, signature } = seal
  return Number(database.prepare(insertSeal).run(gateway, signature, leaves).lastInsertRowid)
}

function insertViews(database: DatabaseSync, views: ReadonlyMap<string, ViewPart>): void {
  if (views.size === 0) return
  const count = 'SELECT coalesce(sum(length(bytes)), 0) AS bytes FROM views'
  let total = viewBytes ?? Number(database.prepare(count).get()?.['bytes'] ?? 0)
  const insert = database.prepare(insertView)
  for (const [frame, { at, pieces }] of views) {
    const bytes = Buffer.concat(pieces)
    insert.run(frame, at, bytes)
    total += bytes.length
  }
  if (total > options.viewBytesMax) total = removeViews(database, total)
  viewBytes = total
}

/** Frames are given up from their beginnings on, the oldest first, down to a tenth below. */
function removeViews(database: DatabaseSync, bytes: number): number {
  const keep = options.viewBytesMax * (1 - 1 / removalsPerLimit)
  const select = 'SELECT sequence, length(bytes) AS bytes FROM views ORDER BY sequence'
  let total = bytes
  let last = 0
  for (const row of database.prepare(select).iterate()) {
    if (total <= keep) break
    last = Number(row['sequence'])
    total -= Number(row['bytes'])
  }
  database.prepare('DELETE FROM views WHERE sequence <= ?').run(last)
  return total
}

function removeExcess(database: DatabaseSync, now: number): void {
  const { decisionsMax, ledgerEntriesMax, observationsMax, observationAgeMaxMs } = options
  const { incidentStepsMax } = options
  if (insertedDecisions >= decisionsMax / removalsPerLimit) {
    insertedDecisions = 0
    removeOldest(database, 'decisions', decisionsMax)
    // Later decisions have later seals.
    database.exec(
      'DELETE FROM seals WHERE sequence < ' +
        '(SELECT seal FROM decisions WHERE seal IS NOT NULL ORDER BY sequence LIMIT 1)',
    )
  }
  if (insertedObservations >= observationsMax / removalsPerLimit) {
    insertedObservations = 0
    removeOldest(database, 'observations', observationsMax)
    database.prepare('DELETE FROM observations WHERE at_ms < ?').run(now - observationAgeMaxMs)
  }
  if (insertedSteps >= incidentStepsMax / removalsPerLimit) {
    insertedSteps = 0
    removeSteps(database, incidentStepsMax)
  }
  if (insertedEntries >= ledgerEntriesMax / removalsPerLimit) {
    insertedEntries = 0
    removeEntries(database, ledgerEntriesMax)
  }
  if (insertedSightings >= observationsMax / removalsPerLimit) {
    insertedSightings = 0
    removeOldest(database, 'sightings', observationsMax)
    database.prepare('DELETE FROM sightings WHERE at_ms < ?').run(now - observationAgeMaxMs)
  }
}

/** What an entry came to stays in its account. */
function removeEntries(database: DatabaseSync, keep: number): void {
  const select = 'SELECT at_ms FROM ledger_entries ORDER BY at_ms DESC LIMIT 1 OFFSET ?'
  const lastMs = database.prepare(select).get(keep)?.['at_ms']
  if (lastMs === undefined) return
  database.prepare('DELETE FROM ledger_entries WHERE at_ms <= ?').run(lastMs)
}

/** What is over goes from the older half; of quarantines only what is over the limit itself. */
function removeSteps(database: DatabaseSync, keep: number): void {
  const before = database.prepare(selectIncidentStepBefore)
  const beforeOf = (count: number) => Number(before.get(count)?.['sequence'] ?? 0)
  database.prepare(deleteIncidentStepsOfOthers).run(beforeOf(Math.floor(keep / 2)))
  database.prepare(deleteIncidentSteps).run(beforeOf(keep))
}

/** By their numbers, which follow each other: counting rows would read them all. */
function removeOldest(database: DatabaseSync, table: string, keep: number): void {
  database
    .prepare(`DELETE FROM ${table} WHERE sequence <= (SELECT max(sequence) FROM ${table}) - ?`)
    .run(keep)
}
