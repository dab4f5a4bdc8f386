/**
 * SQLite keeps the stores' contract, survives restarts and kills, and says how to mend a broken
 * file.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { createLog, ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { EvidenceBook, StandingBook } from '../../evidence/index.ts'
import { createIdentity, hasCode } from '../../protocol/index.ts'
import { sampleWorker } from '../../routing/samples.fixture.ts'
import {
  sampleDecision,
  sampleDecisionId,
  sampleObservation,
  storesContract,
} from '../stores.contract.ts'
import { openSqliteStorage, type SqliteStorageOptions, type Storage } from './sqlite-storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'isochrone-storage-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newFile = () => join(folder, `${files++}.sqlite`)
/** Shortly after the sample observations, so that they are not too old to keep. */
const clock = new ManualClock(1_700_000_100_000)
const options: SqliteStorageOptions = { clock, log: silentLog }

storesContract('sqlite', (limits) => openSqliteStorage(newFile(), { ...options, ...limits }))

test('a restart keeps observations, decisions and so the evidence', async () => {
  const file = newFile()
  const clock = new ManualClock(1_700_000_100_000)
  const book = new EvidenceBook({ clock })
  let storage = openSqliteStorage(file, { ...options, clock })
  for (let i = 0; i < 200; i += 1) {
    const observation = sampleObservation(i, clock.now())
    book.observe(observation)
    storage.observations.append(observation)
    clock.advance(i * 97)
  }
  storage.decisions.put(sampleDecision(7))
  await storage.close()

  storage = openSqliteStorage(file, { ...options, clock })
  const restored = new EvidenceBook({ clock })
  restored.restore(storage.observations.since(0))
  for (let worker = 0; worker < 3; worker += 1) {
    const id = sampleWorker(worker)
    assert.deepEqual(restored.evidence(id, 'sample-model'), book.evidence(id, 'sample-model'))
  }
  const kept = storage.decisions.get(sampleDecisionId(7))
  assert.equal(JSON.stringify(kept), JSON.stringify(sampleDecision(7)))
  await storage.close()
})

test('a restart keeps sightings and the steps of incidents, each once', async () => {
  const file = newFile()
  const worker = sampleWorker(1)
  const atMs = clock.now()
  const sightings = [
    { worker, kind: 'present' as const, fromMs: atMs - 500, atMs: atMs - 100 },
    { worker, kind: 'lost' as const, fromMs: atMs - 100, atMs },
    { worker, kind: 'fault' as const, fromMs: atMs, atMs },
  ]
  const step = { json: '{"of":"it"}', signature: 'c2lnbmVk' }
  const incident = 'inc_aaaaaaaaaaaaaaaaaaaaaaaaaa'
  let storage = openSqliteStorage(file, options)
  for (const one of [...sightings, ...sightings]) storage.sightings.append(one)
  storage.incidents.append(step, { incident, step: 1 })
  await storage.incidents.flush()
  storage.incidents.append(step, { incident, step: 1 })
  storage.incidents.append({ ...step, json: '{"second":1}' }, { incident, step: 2 })
  await storage.close()
  const database = new DatabaseSync(file)
  database.exec("INSERT INTO sightings (worker, kind, from_ms, at_ms) VALUES ('x', 'y', 1, 2)")
  database.close()
  storage = openSqliteStorage(file, options)
  assert.deepEqual([...storage.sightings.since(0)], sightings)
  assert.deepEqual([...storage.sightings.since(atMs)], sightings.slice(1))
  const steps = [step, { ...step, json: '{"second":1}' }]
  assert.deepEqual([...storage.incidents.all()], steps)
  assert.deepEqual([...storage.incidents.of(incident)], steps)
  assert.deepEqual([...storage.incidents.of('inc_bbbbbbbbbbbbbbbbbbbbbbbbbb')], [])
  await storage.close()
})

test('a restart keeps who is quarantined, and what was lifted', async () => {
  const file = newFile()
  const identity = createIdentity()
  const random = seededRandom(1)
  const stand = (storage: Storage) =>
    new StandingBook({
      clock,
      random,
      identity,
      populationOf: () => 100,
      onStep: ({ id, steps }, signed) =>
        storage.incidents.append(signed, { incident: id, step: steps.length }),
    })
  let storage = openSqliteStorage(file, options)
  const before = stand(storage)
  for (const number of [1, 2]) {
    before.report(sampleWorker(number), { kind: 'result-signature', evidence: {} }, {})
  }
  const [second] = before.incidents()
  const ruling = { decision: 'lift', reason: 'mended', appeal: null, by: 'key_1' } as const
  before.rule(second?.id ?? 'inc_', ruling)
  await storage.close()
  storage = openSqliteStorage(file, options)
  const after = stand(storage)
  assert.equal(after.restore(storage.incidents.all()), 0)
  assert.deepEqual(after.incidents(), before.incidents())
  assert.equal(after.of(sampleWorker(1))?.state, 'quarantined')
  assert.equal(after.of(sampleWorker(2)), undefined)
  await storage.close()
})

test('what is decided after a damaged step is kept all the same', async () => {
  const file = newFile()
  const modules = { clock, random: seededRandom(1), identity: createIdentity() }
  const stand = (storage: Storage) =>
    new StandingBook({
      ...modules,
      populationOf: () => 100,
      onStep: ({ id, steps }, signed) =>
        storage.incidents.append(signed, { incident: id, step: steps.length }),
    })
  const opened = async (change: (book: StandingBook, refused: number) => void) => {
    const storage = openSqliteStorage(file, options)
    const book = stand(storage)
    change(book, book.restore(storage.incidents.all()))
    await storage.close()
    return book.incidents()
  }
  const ruling = { decision: 'uphold', reason: 'seen', appeal: null, by: 'key_1' } as const
  const [incident] = await opened((book) => {
    book.report(sampleWorker(1), { kind: 'result-signature', evidence: {} }, {})
    const id = book.incidents()[0]?.id ?? 'inc_'
    for (let i = 0; i < 3; i += 1) book.rule(id, ruling)
  })
  assert.ok(incident !== undefined)
  const database = new DatabaseSync(file)
  database.exec("UPDATE incident_steps SET json = '{}' WHERE step = 2")
  database.close()
  const decided = await opened((book, refused) => {
    assert.equal(refused, 3)
    book.rule(incident.id, { ...ruling, decision: 'lift' })
  })
  assert.equal(decided[0]?.state, 'closed')
  const after = await opened(() => {})
  assert.deepEqual(after, decided)
})

test('what flush resolved for survives a kill of the process', async () => {
  const file = newFile()
  const program = join(import.meta.dirname, 'flushing-child.fixture.ts')
  const child = spawn(process.execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  let acknowledged = 0
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (text: string) => {
      for (const line of text.split('\n')) if (line !== '') acknowledged = Number(line)
      if (acknowledged >= 30) child.kill('SIGKILL')
    })
    child.on('exit', (_, signal) => {
      assert.equal(signal, 'SIGKILL')
      resolve()
    })
  })
  const storage = openSqliteStorage(file, options)
  const attempts = [...storage.observations.since(0)].map(({ promptTokens }) => promptTokens)
  for (let i = 0; i < acknowledged; i += 1) {
    assert.equal(attempts[i], i)
    assert.notEqual(storage.decisions.get(sampleDecisionId(i)), undefined)
  }
  await storage.close()
})

test('items leave in a group after a while, without a flush', async () => {
  const file = newFile()
  const clock = new ManualClock(1_700_000_100_000)
  const storage = openSqliteStorage(file, { ...options, clock })
  storage.observations.append(sampleObservation(1))
  clock.advance(50)
  // What is being committed already is all that this waits for.
  await storage.observations.flush()
  const reader = new DatabaseSync(file, { readOnly: true })
  assert.equal(reader.prepare('SELECT count(*) AS rows FROM observations').get()?.['rows'], 1)
  reader.close()
  await storage.close()
})

test('a flood is slowed down to the pace of the disk, and nothing is lost', async () => {
  const storage = openSqliteStorage(newFile(), options)
  for (let i = 0; i < 20_000; i += 1) storage.observations.append(sampleObservation(i))
  assert.equal([...storage.observations.since(0)].length, 20_000)
  await storage.observations.flush()
  assert.equal([...storage.observations.since(0)].length, 20_000)
  await storage.close()
})

test('a file that is no database is named, with how to mend it', () => {
  const file = newFile()
  writeFileSync(file, 'not a database, but long enough to be looked at as one'.repeat(100))
  assertFails(file, /not a database of this program/)
})

test('a truncated file is named as damaged', async () => {
  const file = newFile()
  const storage = openSqliteStorage(file, options)
  for (let i = 0; i < 500; i += 1) storage.observations.append(sampleObservation(i))
  await storage.close()
  const whole = new DatabaseSync(file)
  whole.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  whole.close()
  truncateSync(file, Math.floor(statSync(file).size / 8_192) * 4_096)
  assertFails(file, /damaged/)
})

test('a folder that does not exist is named', () => {
  assertFails(join(folder, 'nowhere', 'storage.sqlite'), /cannot be opened/)
})

test('a file of a later version is left alone', async () => {
  const file = newFile()
  await openSqliteStorage(file, options).close()
  const database = new DatabaseSync(file)
  database.exec('INSERT INTO migrations VALUES (99, 0)')
  database.close()
  assertFails(file, /schema version 99.*Update this program/)
})

test('decisions of a file of the first version are nobody’s, damaged ones too', async () => {
  const file = newFile()
  const before = openSqliteStorage(file, options)
  before.decisions.put(sampleDecision(1, 'key_1'))
  await before.close()
  const database = new DatabaseSync(file)
  database.exec(
    'DROP INDEX decisions_by_key; ALTER TABLE decisions DROP COLUMN key_id;' +
      'ALTER TABLE observations DROP COLUMN load;' +
      'ALTER TABLE observations DROP COLUMN prompt_tokens_ahead;' +
      'DROP TABLE sightings; DROP TABLE incident_steps; DROP TABLE seals; DROP TABLE views;' +
      'DROP TABLE ledger_entries; DROP TABLE accounts;' +
      'ALTER TABLE decisions DROP COLUMN seal; ALTER TABLE decisions DROP COLUMN leaf;' +
      'DELETE FROM migrations WHERE version >= 2;' +
      "UPDATE decisions SET json = json_remove(json, '$.keyId', '$.first', '$.alike');" +
      "UPDATE decisions SET json = json_remove(json, '$.rounds');" +
      "INSERT INTO decisions (id, json) VALUES ('dec_damaged', '{')",
  )
  database.close()
  const storage = openSqliteStorage(file, options)
  storage.decisions.put(sampleDecision(2, 'key_1'))
  await storage.decisions.flush()
  const ids = (keyId?: string) => storage.decisions.recent(10, keyId).map(({ id }) => id)
  assert.deepEqual(ids('key_1'), [sampleDecisionId(2)])
  assert.deepEqual(ids(), [2, 1].map(sampleDecisionId))
  assert.equal(storage.decisions.get(sampleDecisionId(1))?.keyId, null)
  assert.deepEqual(storage.decisions.get(sampleDecisionId(1))?.rounds, [])
  assert.equal(storage.decisions.kept(sampleDecisionId(1))?.seal, null)
  await storage.close()
})

test('whose a decision is stays known where it was taken out of the JSON before', async () => {
  const file = newFile()
  const before = openSqliteStorage(file, options)
  before.decisions.put(sampleDecision(1, 'key_1'))
  before.decisions.put(sampleDecision(2, 'key_2'))
  await before.close()
  const database = new DatabaseSync(file)
  database.exec(
    'DROP INDEX decisions_by_key; ALTER TABLE decisions DROP COLUMN key_id;' +
      'ALTER TABLE decisions ADD COLUMN key_id TEXT GENERATED ALWAYS AS ' +
      "(CASE WHEN json_valid(json) THEN json ->> '$.keyId' END) VIRTUAL;" +
      'CREATE INDEX decisions_by_key ON decisions (key_id, sequence);' +
      'DROP TABLE ledger_entries; DROP TABLE accounts;' +
      'DELETE FROM migrations WHERE version >= 6',
  )
  database.close()
  const storage = openSqliteStorage(file, options)
  storage.decisions.put(sampleDecision(3, 'key_1'))
  await storage.decisions.flush()
  const ids = (keyId?: string) => storage.decisions.recent(10, keyId).map(({ id }) => id)
  assert.deepEqual(ids('key_1'), [3, 1].map(sampleDecisionId))
  assert.deepEqual(ids('key_2'), [sampleDecisionId(2)])
  await storage.close()
})

test('damaged rows are left out, the others are served', async () => {
  const file = newFile()
  const first = openSqliteStorage(file, options)
  for (let i = 0; i < 3; i += 1) {
    first.observations.append(sampleObservation(i))
    first.decisions.put(sampleDecision(i))
  }
  await first.close()
  const database = new DatabaseSync(file)
  database.exec(`UPDATE observations SET worker = '../../etc' WHERE sequence = 2`)
  database.exec(`UPDATE decisions SET json = '{"id": 1}' WHERE sequence = 2`)
  database.close()
  const lines: string[] = []
  const log = createLog({ level: 'warn', clock, write: (line) => lines.push(line) })
  const storage = openSqliteStorage(file, { ...options, log })
  assert.deepEqual([...storage.observations.since(0)], [sampleObservation(0), sampleObservation(2)])
  assert.equal(storage.decisions.recent(10).length, 2)
  assert.equal(storage.decisions.get(sampleDecisionId(1)), undefined)
  assert.ok(lines.some((line) => line.includes('damaged')))
  await storage.close()
})

test('a full disk: flush fails, memory serves, and all is written once there is room', async () => {
  const file = newFile()
  const clock = new ManualClock(1_700_000_100_000)
  const lines: string[] = []
  const log = createLog({ level: 'info', clock, write: (line) => lines.push(line) })
  const storage = openSqliteStorage(file, { ...options, clock, log })
  await fill(file)
  storage.observations.append(sampleObservation(1))
  storage.decisions.put(sampleDecision(1))
  await assert.rejects(storage.observations.flush(), (error) => hasCode(error, 'storage_failed'))
  storage.observations.append(sampleObservation(2))
  assert.deepEqual([...storage.observations.since(0)], [sampleObservation(1), sampleObservation(2)])
  assert.equal(storage.decisions.recent(5).length, 1)
  await makeRoom(file)
  await storage.observations.flush()
  assert.deepEqual([...storage.observations.since(0)], [sampleObservation(1), sampleObservation(2)])
  await storage.close()
  assert.ok(lines.some((line) => line.includes('serving from memory')))
  assert.ok(lines.some((line) => line.includes('works again')))
})

test('a disk that fails for long: the oldest are dropped and counted', async () => {
  const file = newFile()
  const lines: string[] = []
  const log = createLog({ level: 'info', clock, write: (line) => lines.push(line) })
  const storage = openSqliteStorage(file, { ...options, log })
  await fill(file)
  storage.observations.append(sampleObservation(0))
  await assert.rejects(storage.observations.flush(), (error) => hasCode(error, 'storage_failed'))
  for (let i = 1; i < 6_000; i += 1) storage.observations.append(sampleObservation(i))
  const kept = [...storage.observations.since(0)]
  assert.equal(kept.length, 5_000)
  assert.deepEqual(kept.at(-1), sampleObservation(5_999))
  await makeRoom(file)
  await storage.close()
  assert.ok(lines.some((line) => line.includes('"dropped":1000')))
})

test('a file at its size limit gives up its oldest observations', async () => {
  const file = newFile()
  const storage = openSqliteStorage(file, { ...options, fileBytesMax: 200_000 })
  for (let i = 0; i < 4_000; i += 1) {
    storage.observations.append(sampleObservation(i))
    if (i % 100 === 99) await storage.observations.flush()
  }
  const kept = [...storage.observations.since(0)]
  assert.ok(kept.length > 200 && kept.length < 4_000)
  assert.deepEqual(kept.at(-1), sampleObservation(3_999))
  await storage.close()
  assert.ok(statSync(file).size <= 200_000)
})

/** Makes every insert fail as on a full disk. */
async function fill(file: string): Promise<void> {
  const database = new DatabaseSync(file)
  database.exec(`CREATE TRIGGER full BEFORE INSERT ON observations
    BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`)
  database.close()
}

async function makeRoom(file: string): Promise<void> {
  const database = new DatabaseSync(file)
  database.exec('DROP TRIGGER full')
  database.close()
}

function assertFails(file: string, message: RegExp): void {
  assert.throws(
    () => openSqliteStorage(file, options),
    (error: unknown) => {
      assert.ok(hasCode(error, 'storage_failed'))
      assert.match(String(error), message)
      assert.ok(String(error).includes(file))
      return true
    },
  )
}
