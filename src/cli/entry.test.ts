/** `bin/isochrone.js` where the Node that runs it, or the project's own, is not fit. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../bin/isochrone.js', import.meta.url))
/** A hanging program fails the test, not the whole run. */
const timeoutMs = 20_000

test('an own Node that is too old as well says so, instead of starting itself for ever', (t) => {
  const { root, start } = oldNodeTree()
  t.after(() => rmSync(root, { recursive: true, force: true }))
  symlinkSync(process.execPath, join(root, 'node_modules', 'node', 'bin', 'node'))
  const { status, stderr } = start()
  assert.equal(status, 1)
  assert.equal(stderr.split('\n').filter((line) => line.includes('needs Node')).length, 1)
})

test('an own Node that cannot be started is told in one line', (t) => {
  const { root, start } = oldNodeTree()
  t.after(() => rmSync(root, { recursive: true, force: true }))
  writeFileSync(join(root, 'node_modules', 'node', 'bin', 'node'), '', { mode: 0o600 })
  const { status, stderr } = start()
  assert.equal(status, 1)
  assert.match(stderr, /^.*cannot be started.*\n$/)
})

/** The entry in a folder of its own, where every Node says that it is an old one. */
function oldNodeTree() {
  const root = mkdtempSync(join(tmpdir(), 'isochrone-entry-'))
  for (const folder of ['bin', 'node_modules/yaml', 'node_modules/node/bin']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  const copy = join(root, 'bin', 'isochrone.js')
  cpSync(entry, copy)
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(root, 'node_modules', 'yaml', 'index.js'), '')
  const old = join(root, 'old.js')
  const versions = "{ ...process.versions, node: '20.0.0' }"
  writeFileSync(old, `Object.defineProperty(process, 'versions', { value: ${versions} })`)
  const env = { ...process.env, NODE_OPTIONS: `--import=${old}` }
  const options = { encoding: 'utf8', env, timeout: timeoutMs } as const
  return { root, start: () => spawnSync(process.execPath, [copy], options) }
}
