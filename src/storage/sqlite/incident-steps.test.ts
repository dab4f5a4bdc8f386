/** Which steps of incidents stay in the file when there are more than it keeps. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { ManualClock, seededRandom, silentLog } from '../../base/index.ts'
import { type IncidentId, type Ruling, StandingBook } from '../../evidence/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { sampleWorker } from '../../routing/samples.fixture.ts'
import { openSqliteStorage } from './sqlite-storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'isochrone-steps-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0

const lift: Ruling = { decision: 'lift', reason: 'mended', appeal: null, by: 'key_1' }

/** A gateway's book, and the file that keeps 100 steps of it. */
class Place {
  readonly file = join(folder, `${files++}.sqlite`)
  readonly #clock = new ManualClock(1_700_000_100_000)
  readonly #identity = createIdentity()
  #storage = this.#open()
  book = this.#newBook()

  quarantine(worker: number): IncidentId {
    this.#clock.advance(1_000)
    const fault = { kind: 'result-signature', evidence: {} } as const
    this.book.report(sampleWorker(worker), fault, {})
    return this.book.incidents()[0]?.id ?? 'inc_'
  }

  /** Written step by step, as they come. */
  async flush(): Promise<void> {
    await this.#storage.incidents.flush()
  }

  async restart(): Promise<number> {
    await this.#storage.close()
    this.#storage = this.#open()
    this.book = this.#newBook()
    return this.book.restore(this.#storage.incidents.all())
  }

  close(): Promise<void> {
    return this.#storage.close()
  }

  #open() {
    return openSqliteStorage(this.file, {
      clock: this.#clock,
      log: silentLog,
      incidentStepsMax: 100,
    })
  }

  #newBook() {
    return new StandingBook({
      clock: this.#clock,
      random: seededRandom(files),
      identity: this.#identity,
      populationOf: () => 10_000,
      onStep: ({ id, steps }, signed) =>
        this.#storage.incidents.append(signed, { incident: id, step: steps.length }),
    })
  }
}

const rowsOf = (file: string): number => {
  const database = new DatabaseSync(file)
  const row = database.prepare('SELECT count(*) AS rows FROM incident_steps').get()
  database.close()
  return Number(row?.['rows'])
}

test('incidents that are over push out no quarantine, however many there were', async () => {
  const place = new Place()
  place.quarantine(1)
  for (let worker = 2; worker < 302; worker += 1) {
    place.book.rule(place.quarantine(worker), lift)
    await place.flush()
  }
  assert.ok(rowsOf(place.file) <= 110, String(rowsOf(place.file)))
  assert.equal(await place.restart(), 0)
  assert.equal(place.book.of(sampleWorker(1))?.state, 'quarantined')
  assert.equal(place.book.of(sampleWorker(301)), undefined)
  await place.close()
})

test('of more quarantines than the file keeps, the newest stay', async () => {
  const place = new Place()
  for (let worker = 1; worker <= 300; worker += 1) {
    place.quarantine(worker)
    await place.flush()
  }
  assert.ok(rowsOf(place.file) <= 110, String(rowsOf(place.file)))
  assert.equal(await place.restart(), 0)
  assert.equal(place.book.of(sampleWorker(1)), undefined)
  assert.equal(place.book.of(sampleWorker(300))?.state, 'quarantined')
  await place.close()
})

test('a step that is damaged does not keep others from being written', async () => {
  const place = new Place()
  place.quarantine(1)
  await place.flush()
  const database = new DatabaseSync(place.file)
  database.exec("UPDATE incident_steps SET json = '{'")
  database.close()
  for (let worker = 2; worker < 152; worker += 1) {
    place.quarantine(worker)
    await place.flush()
  }
  assert.equal(await place.restart(), 0)
  assert.equal(place.book.of(sampleWorker(151))?.state, 'quarantined')
  await place.close()
})
