/** The ledger in SQLite: its contract, and what a restart and a damaged row leave of it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { ManualClock, silentLog } from '../../base/index.ts'
import { ledgerContract, sampleEntry, sampleNode } from '../ledger.contract.ts'
import { selectEntries } from './group.ts'
import { openSqliteStorage } from './sqlite-storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'isochrone-ledger-'))
after(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newFile = () => join(folder, `${files++}.sqlite`)
const options = { clock: new ManualClock(1_700_000_100_000), log: silentLog }

ledgerContract('sqlite', (limits) => openSqliteStorage(newFile(), { ...options, ...limits }))

test('the newest entries of a node are found without looking at its others', async () => {
  const file = newFile()
  await openSqliteStorage(file, options).close()
  const database = new DatabaseSync(file)
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${selectEntries}`).all('node', 20)
  database.close()
  const steps = plan.map(({ detail }) => String(detail)).join()
  assert.match(steps, /USING INDEX ledger_entries_by_time/)
  assert.doesNotMatch(steps, /TEMP B-TREE/)
})

test('a restart keeps accounts and entries, and counts nothing twice', async () => {
  const file = newFile()
  let storage = openSqliteStorage(file, options)
  for (let i = 0; i < 20; i += 1) storage.ledger.post(sampleEntry(i))
  await storage.ledger.flush()
  const before = storage.ledger.accounts()
  await storage.close()
  storage = openSqliteStorage(file, options)
  assert.deepEqual(storage.ledger.accounts(), before)
  // As after a crash between a commit and the word of it.
  for (let i = 10; i < 20; i += 1) storage.ledger.post(sampleEntry(i))
  await storage.ledger.flush()
  assert.deepEqual(storage.ledger.accounts(), before)
  await storage.close()
})

test('a sum that is over what is exact stops there, and others are kept', async () => {
  const file = newFile()
  let storage = openSqliteStorage(file, options)
  storage.ledger.post(sampleEntry(1))
  await storage.close()
  const database = new DatabaseSync(file)
  database.prepare('UPDATE accounts SET amount = ?').run(Number.MAX_SAFE_INTEGER - 1)
  database.close()
  storage = openSqliteStorage(file, options)
  storage.ledger.post(sampleEntry(4))
  storage.ledger.post(sampleEntry(2))
  await storage.ledger.flush()
  const amount = (node: number) => storage.ledger.account(sampleNode(node))?.amountNanoDollars
  assert.equal(amount(1), Number.MAX_SAFE_INTEGER)
  assert.equal(amount(2), 2_000)
  await storage.close()
})

test('a damaged entry is left out, and the others are told', async () => {
  const file = newFile()
  let storage = openSqliteStorage(file, options)
  for (const number of [1, 4]) storage.ledger.post(sampleEntry(number))
  await storage.close()
  const database = new DatabaseSync(file)
  database.prepare("UPDATE ledger_entries SET state = 'paid' WHERE attempt = 0").run()
  database.close()
  storage = openSqliteStorage(file, options)
  assert.deepEqual(storage.ledger.entries(sampleNode(1), 10), [sampleEntry(1)])
  await storage.close()
})
