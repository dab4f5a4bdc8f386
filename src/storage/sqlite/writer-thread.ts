/**
 * The writing thread: commits groups, each with one flush of the disk (synchronous = FULL), which
 * takes milliseconds that the gateway's own thread does not have. Removes what is over the limits.
 */
import { DatabaseSync } from 'node:sqlite'
import { type MessagePort, workerData } from 'node:worker_threads'
import {
  errcodeOf,
  type Group,
  insertIncidentStep,
  insertObservation,
  insertSighting,
  repliesIndex,
  type WriterOptions,
  type WriterReply,
  type WriterRequest,
} from './group.ts'
import { readGroup } from './group-buffer.ts'

export interface ThreadData {
  readonly options: WriterOptions
  readonly port: MessagePort
  readonly replies: Int32Array<SharedArrayBuffer>
}

/** Waits this long for another connection, such as a person's sqlite3. */
const busyTimeoutMs = 2_000
/** The write-ahead log is cut back to this after a checkpoint. */
const logBytesMax = 64 * 1024 * 1024
/** About 1 KB each: 200 MB. Whoever floods a gateway with incidents pushes out the oldest. */
const incidentStepsMax = 200_000
/** Removing is cheap but not free: done when the excess may have reached a tenth. */
const removalsPerLimit = 10

const { options, port, replies } = workerData as ThreadData
let database: DatabaseSync | undefined
let insertedObservations = Number.POSITIVE_INFINITY
let insertedDecisions = Number.POSITIVE_INFINITY
let insertedSightings = Number.POSITIVE_INFINITY
let insertedSteps = Number.POSITIVE_INFINITY

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
    }
  }
}

function removeQuarter(database: DatabaseSync, table: string): void {
  const row = database.prepare(`SELECT count(*) AS rows FROM ${table}`).get()
  removeOldest(database, table, Math.floor(Number(row?.['rows'] ?? 0) * 0.75))
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
  readGroup(group.bytes, {
    observation(row) {
      observation.run(...row)
      insertedObservations += 1
    },
    decision(id, json) {
      decision.run(id, json)
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
  })
}

/** The bytes are UTF-8 already: they become the text without being one in between. */
const insertDecision = 'INSERT OR REPLACE INTO decisions (id, json) VALUES (?, CAST(? AS TEXT))'

function removeExcess(database: DatabaseSync, now: number): void {
  const { decisionsMax, observationsMax, observationAgeMaxMs } = options
  if (insertedDecisions >= decisionsMax / removalsPerLimit) {
    insertedDecisions = 0
    removeOldest(database, 'decisions', decisionsMax)
  }
  if (insertedObservations >= observationsMax / removalsPerLimit) {
    insertedObservations = 0
    removeOldest(database, 'observations', observationsMax)
    database.prepare('DELETE FROM observations WHERE at_ms < ?').run(now - observationAgeMaxMs)
  }
  if (insertedSteps >= incidentStepsMax / removalsPerLimit) {
    insertedSteps = 0
    removeOldest(database, 'incident_steps', incidentStepsMax)
  }
  if (insertedSightings >= observationsMax / removalsPerLimit) {
    insertedSightings = 0
    removeOldest(database, 'sightings', observationsMax)
    database.prepare('DELETE FROM sightings WHERE at_ms < ?').run(now - observationAgeMaxMs)
  }
}

function removeOldest(database: DatabaseSync, table: string, keep: number): void {
  const statement = database.prepare(
    `DELETE FROM ${table} WHERE sequence <= ` +
      `(SELECT sequence FROM ${table} ORDER BY sequence DESC LIMIT 1 OFFSET ?)`,
  )
  statement.run(keep)
}
