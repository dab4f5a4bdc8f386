/** Decisions in the file are those that were signed, and signatures go with what they sign. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { ManualClock, silentLog } from '../../base/index.ts'
import { createIdentity } from '../../protocol/index.ts'
import { isSealed } from '../../routing/index.ts'
import { sampleDecision, sampleDecisionId } from '../stores.contract.ts'
import { openSqliteStorage } from './sqlite-storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'isochrone-signed-decisions-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const options = { clock: new ManualClock(1_700_000_100_000), log: silentLog }

test('a byte that was changed in the file is found by the signature', async () => {
  const file = join(folder, 'changed.sqlite')
  const signed = { ...options, signer: createIdentity() }
  const first = openSqliteStorage(file, signed)
  for (let i = 0; i < 5; i += 1) first.decisions.put(sampleDecision(i))
  await first.close()
  const database = new DatabaseSync(file)
  const [changed, whole] = [1, 2].map(sampleDecisionId)
  database
    .prepare(
      'UPDATE decisions SET json = replace(json, \'"atMs":1700\', \'"atMs":1600\') WHERE id = ?',
    )
    .run(String(changed))
  database.close()
  const storage = openSqliteStorage(file, signed)
  const isWhole = (id: typeof changed) => {
    const kept = id === undefined ? undefined : storage.decisions.kept(id)
    return kept?.seal != null && isSealed(kept.text, kept.seal)
  }
  assert.equal(isWhole(changed), false)
  assert.equal(isWhole(whole), true)
  await storage.close()
})

test('signatures go with the decisions that they sign', async () => {
  const file = join(folder, 'many.sqlite')
  const signed = { ...options, signer: createIdentity(), decisionsMax: 10 }
  const storage = openSqliteStorage(file, signed)
  for (let i = 0; i < 100; i += 1) {
    storage.decisions.put(sampleDecision(i))
    await storage.decisions.flush()
  }
  await storage.close()
  const database = new DatabaseSync(file)
  const row = database.prepare('SELECT count(*) AS count FROM seals').get()
  database.close()
  assert.ok(Number(row?.['count']) <= 12, `${row?.['count']} signatures of 10 decisions`)
})
