import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Log, silentLog } from '../../base/index.ts'
import { openLatencyMap } from './latency-map-file.ts'

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'isochrone-map-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

test('the map of the last run is read back, and nothing on the first', async (t) => {
  const at = folder(t)
  const store = openLatencyMap(at, silentLog, { now: () => 1_000 })
  assert.equal(store.load(), undefined)
  await store.save({ version: 1, links: [] })
  const later = openLatencyMap(at, silentLog, { now: () => 61_000 })
  const kept = { version: 1, links: [], savedAtMs: 1_000, downMs: 60_000 }
  assert.deepEqual(later.load(), kept)
  assert.match(readFileSync(join(at, 'latency-map.json'), 'utf8'), /"version":1/)
})

test('a file that cannot be read is named, and the map begins anew', (t) => {
  const at = folder(t)
  const file = join(at, 'latency-map.json')
  const warned: unknown[] = []
  const log: Log = { ...silentLog, warn: (_message, fields) => warned.push(fields?.['file']) }
  for (const text of ['', '{"version":1,', '\u0000']) {
    writeFileSync(file, text)
    assert.equal(openLatencyMap(at, log).load(), undefined)
  }
  assert.deepEqual(warned, [file, file, file])
})
