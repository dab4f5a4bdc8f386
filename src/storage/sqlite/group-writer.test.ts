/** A disk that does not answer holds the gateway up once, not with every item. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { createLog, ManualClock } from '../../base/index.ts'
import { sampleObservation } from '../stores.contract.ts'
import { GroupWriter } from './group-writer.ts'
import { openSqliteStorage } from './sqlite-storage.ts'

const floodItems = 6_000

/** A writer of its own besides the storage's, which is closed. */
async function setUp(t: TestContext, bounds: { readonly backlogBytesMax?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-group-writer-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'storage.sqlite')
  const clock = new ManualClock(1_700_000_100_000)
  const lines: string[] = []
  const log = createLog({ level: 'info', clock, write: (line) => lines.push(line) })
  await openSqliteStorage(file, { clock, log }).close()
  const counts = {
    decisionsMax: 100,
    observationsMax: 10_000,
    ledgerEntriesMax: 1_000,
    incidentStepsMax: 1_000,
  }
  const limits = { ...counts, observationAgeMaxMs: 1e12 }
  const options = { file, fileBytesMax: 1024 ** 3, viewBytesMax: 1024 ** 2, ...limits }
  const writer = new GroupWriter(options, { clock, log, blockedMsMax: 1, ...bounds }, () => 0)
  const written = async () => {
    const storage = openSqliteStorage(file, { clock, log })
    const count = [...storage.observations.since(0)].length
    await storage.close()
    return count
  }
  return { file, lines, writer, written }
}

test('a commit that hangs is waited for once; then the oldest are dropped', async (t) => {
  const { file, lines, writer, written } = await setUp(t)
  const other = new DatabaseSync(file)
  other.exec('BEGIN IMMEDIATE')
  for (let i = 0; i < floodItems; i += 1) writer.appendObservation(sampleObservation(i))
  assert.equal(lines.filter((line) => line.includes('does not answer')).length, 1)
  assert.equal(writer.dropped, 500)
  other.exec('COMMIT')
  other.close()
  await writer.close()
  assert.ok(lines.some((line) => line.includes('works again')))
  assert.equal(await written(), floodItems - 500)
})

test('what waits is bounded in bytes as well: a few large items are many', async (t) => {
  const { file, writer } = await setUp(t, { backlogBytesMax: 10_000 })
  const other = new DatabaseSync(file)
  other.exec('BEGIN IMMEDIATE')
  const bytes = new Uint8Array(1_000)
  for (let i = 0; i < 100; i += 1) writer.putView({ frame: 'f', at: 1_000 * i, bytes })
  // Ten are being written, and ten wait.
  assert.equal(writer.dropped, 80)
  other.exec('COMMIT')
  other.close()
  await writer.close()
})

test('what comes while the last group is written is written too', async (t) => {
  const { writer, written } = await setUp(t)
  writer.appendObservation(sampleObservation(0))
  const closed = writer.close()
  writer.appendObservation(sampleObservation(1))
  await closed
  assert.equal(await written(), 2)
})
