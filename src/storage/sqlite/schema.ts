/** The tables, and how a file of an earlier version becomes one of this version. */
import type { DatabaseSync } from 'node:sqlite'
import { IsochroneError } from '../../protocol/index.ts'

/** Never changed once released: later versions append. */
const migrations: readonly string[] = [
  `CREATE TABLE observations (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms REAL NOT NULL,
    worker TEXT NOT NULL,
    model TEXT NOT NULL,
    decision TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    phase TEXT,
    blame TEXT NOT NULL,
    ttft_ms REAL,
    tpot_ms REAL,
    prompt_tokens REAL,
    completion_tokens REAL,
    in_flight INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX observations_by_time ON observations (at_ms, sequence);
  CREATE TABLE decisions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL
  ) STRICT;`,
  // Whoever asked may list their own. Rows of the first version name no key: only operators do.
  `ALTER TABLE decisions ADD COLUMN key_id TEXT
    GENERATED ALWAYS AS (CASE WHEN json_valid(json) THEN json ->> '$.keyId' END) VIRTUAL;
  CREATE INDEX decisions_by_key ON decisions (key_id, sequence);`,
  // A sighting or a step that is written twice is there once.
  `ALTER TABLE observations ADD COLUMN load REAL;
  CREATE TABLE sightings (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    worker TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_ms REAL NOT NULL,
    at_ms REAL NOT NULL,
    UNIQUE (worker, at_ms, kind)
  ) STRICT;
  CREATE INDEX sightings_by_time ON sightings (at_ms, sequence);
  CREATE TABLE incident_steps (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    incident TEXT NOT NULL,
    step INTEGER NOT NULL,
    json TEXT NOT NULL,
    signature TEXT NOT NULL,
    UNIQUE (incident, step)
  ) STRICT;`,
  'ALTER TABLE observations ADD COLUMN prompt_tokens_ahead REAL;',
  // Decisions are signed in groups. What they saw is kept in parts of frames.
  `CREATE TABLE seals (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway TEXT NOT NULL,
    signature BLOB NOT NULL,
    leaves BLOB NOT NULL
  ) STRICT;
  ALTER TABLE decisions ADD COLUMN seal INTEGER;
  ALTER TABLE decisions ADD COLUMN leaf INTEGER;
  CREATE TABLE views (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    frame TEXT NOT NULL,
    at INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX views_by_frame ON views (frame, sequence);`,
  // Taken out of the JSON, the key's id cost each insertion a parser's run over the whole of it.
  `ALTER TABLE decisions ADD COLUMN asker TEXT;
  UPDATE decisions SET asker = key_id;
  DROP INDEX decisions_by_key;
  ALTER TABLE decisions DROP COLUMN key_id;
  ALTER TABLE decisions RENAME COLUMN asker TO key_id;
  CREATE INDEX decisions_by_key ON decisions (key_id, sequence);`,
  // Amounts in nano-dollars. What is posted again is found by its key.
  `CREATE TABLE ledger_entries (
    worker TEXT NOT NULL,
    decision TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at_ms REAL NOT NULL,
    model TEXT NOT NULL,
    tier TEXT,
    hardware_class TEXT NOT NULL,
    policy TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    billed_prompt_tokens INTEGER,
    billed_completion_tokens INTEGER,
    prompt_price REAL NOT NULL,
    completion_price REAL NOT NULL,
    amount INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (worker, decision, attempt)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE accounts (
    worker TEXT PRIMARY KEY,
    answers INTEGER NOT NULL,
    voids INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    first_ms REAL NOT NULL,
    last_ms REAL NOT NULL
  ) STRICT, WITHOUT ROWID;`,
  // A node may have all entries that are kept, and whoever serves reads its newest.
  'CREATE INDEX ledger_entries_by_time ON ledger_entries (worker, at_ms, attempt);',
]

export const schemaVersion = migrations.length

/** Brings the file to this version; throws `storage_failed` for one of a later version. */
export function migrate(database: DatabaseSync, file: string, now: number): void {
  database.exec(
    'CREATE TABLE IF NOT EXISTS migrations ' +
      '(version INTEGER PRIMARY KEY, applied_at_ms REAL NOT NULL) STRICT',
  )
  const row = database.prepare('SELECT max(version) AS version FROM migrations').get()
  const found = Number(row?.['version'] ?? 0)
  if (found > schemaVersion) {
    throw new IsochroneError(
      'storage_failed',
      `${file} has the schema version ${found}, but this program knows only ${schemaVersion}: ` +
        'a later version wrote it. Update this program, or give it another file.',
      { detail: { file, found, known: schemaVersion } },
    )
  }
  for (let version = found + 1; version <= schemaVersion; version += 1) {
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(migrations[version - 1] ?? '')
      const note = database.prepare('INSERT INTO migrations VALUES (?, ?)')
      note.run(version, now)
      database.exec('COMMIT')
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }
}
