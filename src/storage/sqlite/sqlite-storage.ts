/**
 * Observations and decisions in one SQLite file (write-ahead log, every commit flushed to the
 * disk).
 *
 * Reading is done here, on a connection of its own, and sees what was appended at once; writing is
 * done in groups by a thread (`group-writer.ts`).
 */
import { chmodSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Clock, Log } from '../../base/index.ts'
import type {
  IncidentStore,
  Observation,
  ObservationStore,
  SightingStore,
} from '../../evidence/index.ts'
import { type LedgerStore, ledgerEntriesMaxDefault } from '../../ledger/index.ts'
import type { DecisionStore, Signer } from '../../routing/index.ts'
import {
  decisionsMaxDefault,
  observationAgeMaxMs,
  observationsMaxDefault,
  viewBytesMaxDefault,
} from '../limits.ts'
import { SqliteDecisionStore } from './decision-store.ts'
import { selectObservations } from './group.ts'
import { GroupWriter } from './group-writer.ts'
import { SqliteLedgerStore } from './ledger-store.ts'
import { observationOf } from './observation-rows.ts'
import type { Shared } from './open-file.ts'
import { SqliteIncidentStore, SqliteSightingStore } from './rare-stores.ts'
import { migrate } from './schema.ts'
import { storageFailed } from './storage-error.ts'

export interface SqliteStorageOptions {
  readonly clock: Clock
  readonly log: Log
  /** Signs the decisions; without it, none is signed. */
  readonly signer?: Signer
  readonly decisionsMax?: number
  readonly viewBytesMax?: number
  readonly observationsMax?: number
  readonly ledgerEntriesMax?: number
  readonly incidentStepsMax?: number
  readonly observationAgeMaxMs?: number
  readonly fileBytesMax?: number
}

export interface Storage {
  readonly observations: ObservationStore
  readonly decisions: DecisionStore
  readonly sightings: SightingStore
  readonly incidents: IncidentStore
  readonly ledger: LedgerStore
  close(): Promise<void>
}

/** What the limits of the stores come to, with room. */
/** About 1 KB each: 200 MB. Whoever floods a gateway with incidents pushes out what is over. */
const incidentStepsMaxDefault = 200_000
const fileBytesMaxDefault = 4 * 1024 ** 3
/**
 * Checking reads the whole file, about a second per this many bytes; larger ones are taken as they
 * are.
 */
const checkedBytesMax = 256 * 1024 ** 2
const busyTimeoutMs = 2_000

/** Opens or creates the file; throws `storage_failed` with how to mend it. */
export function openSqliteStorage(file: string, options: SqliteStorageOptions): Storage {
  const { clock, log, signer } = options
  const limits = {
    file,
    decisionsMax: options.decisionsMax ?? decisionsMaxDefault,
    viewBytesMax: options.viewBytesMax ?? viewBytesMaxDefault,
    observationsMax: options.observationsMax ?? observationsMaxDefault,
    ledgerEntriesMax: options.ledgerEntriesMax ?? ledgerEntriesMaxDefault,
    incidentStepsMax: options.incidentStepsMax ?? incidentStepsMaxDefault,
    observationAgeMaxMs: options.observationAgeMaxMs ?? observationAgeMaxMs,
    fileBytesMax: options.fileBytesMax ?? fileBytesMaxDefault,
  }
  const database = openDatabase(file, clock.now())
  const writer = new GroupWriter(limits, { clock, log, signer }, () => lastSequence(database))
  const { decisionsMax } = limits
  const shared: Shared = { database, writer, log, file, decisionsMax, signer }
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= writer.close().finally(() => database.close())
    return closing
  }
  return {
    observations: new SqliteObservationStore(shared, close),
    decisions: new SqliteDecisionStore(shared, close),
    sightings: new SqliteSightingStore(shared),
    incidents: new SqliteIncidentStore(shared),
    ledger: new SqliteLedgerStore(shared),
    close,
  }
}

class SqliteObservationStore implements ObservationStore {
  readonly #shared: Shared
  readonly close: () => Promise<void>

  constructor(shared: Shared, close: () => Promise<void>) {
    this.#shared = shared
    this.close = close
  }

  append(observation: Observation): void {
    this.#shared.writer.appendObservation(observation)
  }

  flush(): Promise<void> {
    return this.#shared.writer.flush()
  }

  *since(atMs: number): Iterable<Observation> {
    const { database, writer, log, file } = this.#shared
    // Taken together, so that a commit in between neither hides nor repeats anything.
    const newest = writer.uncommitted.observations()
    const sequence = writer.committedSequence
    let damaged = 0
    try {
      for (const row of database.prepare(selectObservations).iterate(atMs, sequence)) {
        const observation = observationOf(row)
        if (observation === undefined) damaged += 1
        else yield observation
      }
    } catch (error) {
      log.error('observations could not be read', { error: storageFailed(file, error).message })
    }
    if (damaged > 0) log.warn('damaged observations were left out', { file, damaged })
    yield* newest.filter((one) => one.atMs >= atMs).sort((a, b) => a.atMs - b.atMs)
  }
}

function openDatabase(file: string, now: number): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file, { timeout: busyTimeoutMs })
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
    chmodSync(file, 0o600)
    check(database, file)
    migrate(database, file, now)
    database.exec('PRAGMA query_only = ON')
    return database
  } catch (error) {
    database?.close()
    throw storageFailed(file, error)
  }
}

function check(database: DatabaseSync, file: string): void {
  if (statSync(file).size > checkedBytesMax) return
  const row = database.prepare('PRAGMA quick_check(1)').get()
  const found = row === undefined ? 'ok' : Object.values(row)[0]
  if (found === 'ok') return
  throw Object.assign(new Error(String(found)), { errcode: corrupt })
}

const corrupt = 11

function lastSequence(database: DatabaseSync): number {
  const row = database.prepare('SELECT max(sequence) AS sequence FROM observations').get()
  return Number(row?.['sequence'] ?? 0)
}
