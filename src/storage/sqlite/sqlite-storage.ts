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
import { type DecisionId, IsochroneError } from '../../protocol/index.ts'
import { type Decision, type DecisionStore, reviveDecision } from '../../routing/index.ts'
import { decisionsMaxDefault, observationAgeMaxMs, observationsMaxDefault } from '../limits.ts'
import { selectObservations } from './group.ts'
import { GroupWriter } from './group-writer.ts'
import { observationOf } from './observation-rows.ts'
import type { Shared } from './open-file.ts'
import { SqliteIncidentStore, SqliteSightingStore } from './rare-stores.ts'
import { migrate } from './schema.ts'
import { storageFailed } from './storage-error.ts'

export interface SqliteStorageOptions {
  readonly clock: Clock
  readonly log: Log
  readonly decisionsMax?: number
  readonly observationsMax?: number
  readonly observationAgeMaxMs?: number
  readonly fileBytesMax?: number
}

export interface Storage {
  readonly observations: ObservationStore
  readonly decisions: DecisionStore
  readonly sightings: SightingStore
  readonly incidents: IncidentStore
  close(): Promise<void>
}

/** What the limits of the stores come to, with room. */
const fileBytesMaxDefault = 4 * 1024 ** 3
/**
 * Checking reads the whole file, about a second per this many bytes; larger ones are taken as they
 * are.
 */
const checkedBytesMax = 256 * 1024 ** 2
const busyTimeoutMs = 2_000

/** Opens or creates the file; throws `storage_failed` with how to mend it. */
export function openSqliteStorage(file: string, options: SqliteStorageOptions): Storage {
  const { clock, log } = options
  const limits = {
    file,
    decisionsMax: options.decisionsMax ?? decisionsMaxDefault,
    observationsMax: options.observationsMax ?? observationsMaxDefault,
    observationAgeMaxMs: options.observationAgeMaxMs ?? observationAgeMaxMs,
    fileBytesMax: options.fileBytesMax ?? fileBytesMaxDefault,
  }
  const database = openDatabase(file, clock.now())
  const writer = new GroupWriter(limits, { clock, log }, () => lastSequence(database))
  const shared: Shared = { database, writer, log, file, decisionsMax: limits.decisionsMax }
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
    const newest = writer.uncommittedObservations()
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

const selectOfKey = 'SELECT json FROM decisions WHERE key_id = ? ORDER BY sequence DESC LIMIT ?'

class SqliteDecisionStore implements DecisionStore {
  readonly #shared: Shared
  readonly close: () => Promise<void>

  constructor(shared: Shared, close: () => Promise<void>) {
    this.#shared = shared
    this.close = close
  }

  put(decision: Decision): void {
    this.#shared.writer.putDecision(decision)
  }

  get(id: DecisionId): Decision | undefined {
    const uncommitted = this.#shared.writer.uncommittedDecisions().get(id)
    if (uncommitted !== undefined) return this.#revived(uncommitted)[0]
    const [row] = this.#rows('SELECT json FROM decisions WHERE id = ?', id)
    return row
  }

  get decisionsMax(): number {
    return this.#shared.decisionsMax
  }

  recent(count: number, keyId?: string): readonly Decision[] {
    const wanted = Math.min(Math.max(0, Math.floor(count)), this.#shared.decisionsMax)
    const uncommitted = this.#shared.writer.uncommittedDecisions()
    const newest: Decision[] = []
    for (const json of [...uncommitted.values()].reverse()) {
      if (newest.length === wanted) return newest
      const [decision] = this.#revived(json)
      if (decision === undefined) continue
      if (keyId === undefined || decision.keyId === keyId) newest.push(decision)
    }
    const rows =
      keyId === undefined
        ? this.#rows('SELECT json FROM decisions ORDER BY sequence DESC LIMIT ?', wanted)
        : this.#rows(selectOfKey, keyId, wanted)
    const kept = rows.filter(({ id }) => !uncommitted.has(id))
    return [...newest, ...kept].slice(0, wanted)
  }

  flush(): Promise<void> {
    return this.#shared.writer.flush()
  }

  /** Damaged ones are logged and left out: the others are still worth reading. */
  #rows(select: string, ...parameters: readonly (string | number)[]): readonly Decision[] {
    const { database, log, file } = this.#shared
    try {
      const rows = database.prepare(select).all(...parameters)
      return rows.flatMap((row) => this.#revived(row['json']))
    } catch (error) {
      log.error('decisions could not be read', { error: storageFailed(file, error).message })
      return []
    }
  }

  #revived(json: unknown): readonly Decision[] {
    try {
      return [reviveDecision(json)]
    } catch (error) {
      if (!(error instanceof IsochroneError)) throw error
      this.#shared.log.warn('a damaged decision was left out', { error: error.message })
      return []
    }
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
