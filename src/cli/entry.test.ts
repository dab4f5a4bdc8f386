/** `bin/isochrone.js` where the Node that runs it, or the project's own, is not fit. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../bin/isochrone.js', import.meta.url))
const text = readFileSync(entry, 'utf8')
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

test('in a fresh clone packages are installed first, and standard output is the command’s', (t) => {
  const { root, start } = freshClone(t)
  const installs = [
    "const { mkdirSync, writeFileSync } = await import('node:fs')",
    "console.log('added 1 package')",
    `const folder = ${JSON.stringify(join(root, 'node_modules', 'yaml'))}`,
    'mkdirSync(folder, { recursive: true })',
    "writeFileSync(folder + '/index.js', '')",
    "writeFileSync(folder + '/../.isochrone-installed', '')",
  ]
  writeFileSync(join(root, 'tools', 'install.js'), installs.join('\n'))
  const { status, stderr, stdout } = start()
  assert.deepEqual([status, stdout], [0, 'a key\n'])
  assert.match(stderr, /added 1 package/)
})

test('packages still being unpacked are waited for, and signals are handed on', async (t) => {
  const { root, copy, start } = freshClone(t)
  mkdirSync(join(root, 'node_modules', 'yaml'))
  writeFileSync(join(root, 'node_modules', 'yaml', 'index.js'), '')
  const installs = [
    "process.on('SIGTERM', () => { console.log('stopped'); process.exit(0) })",
    'setInterval(() => {}, 1000)',
    "console.log('unpacking')",
  ]
  writeFileSync(join(root, 'tools', 'install.js'), installs.join('\n'))
  const child = spawn(process.execPath, [copy], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let [told, out] = ['', '']
  child.stdout.on('data', (text) => {
    out += text
  })
  child.stderr.on('data', (text) => {
    if (told === '') child.kill('SIGTERM')
    told += text
  })
  assert.deepEqual(await once(child, 'close'), [143, null])
  assert.deepEqual([told, out], ['unpacking\nstopped\n', ''])
  // As npm ci leaves it, when somebody ran that.
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), '{}')
  assert.equal(start().stdout, 'a key\n')
})

test('where the packages cannot be installed, or were removed, nothing starts', (t) => {
  const { root, start } = freshClone(t)
  const install = join(root, 'tools', 'install.js')
  writeFileSync(install, 'process.exit(1)')
  assert.deepEqual([start().status, start().stderr], [1, ''])
  rmSync(install)
  assert.match(start().stderr, /not installed, or not all\. npm ci installs them\.\n$/)
  writeFileSync(install, 'console.log("tried again for ever")')
  writeFileSync(join(root, 'node_modules', '.isochrone-installed'), '')
  assert.match(start().stderr, /^The packages .* npm ci installs them\.\n$/)
})

test('its first line fits what any Linux reads of it', () => {
  const [first = ''] = text.split('\n', 1)
  assert.match(first, /^#!\//)
  assert.ok(first.length <= 127)
})

test('started by its own name it runs with the flags that the npm scripts have', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'isochrone-entry-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const told = join(root, 'told.js')
  writeFileSync(told, 'console.log(JSON.stringify([process.execArgv, process.argv.slice(2)]))')
  const link = join(root, 'a link with spaces')
  symlinkSync(entry, link)
  const env = { ...process.env, NODE_OPTIONS: `--import=${told}` }
  const args = ['--version', 'a  b', '$HOME']
  const { stdout } = spawnSync(link, args, { encoding: 'utf8', env, timeout: timeoutMs })
  const [flags, rest] = JSON.parse(stdout.split('\n', 1)[0] ?? '') as [string[], string[]]
  assert.deepEqual(rest, args)
  assert.ok(flags.includes('--max-semi-space-size=4'))
  const { scripts } = JSON.parse(readFileSync(join(entry, '..', '..', 'package.json'), 'utf8'))
  assert.equal(scripts.isochrone, ['node', ...flags, 'bin/isochrone.js'].join(' '))
  assert.equal(scripts.start, ['node', ...flags, 'bin/isochrone.js start'].join(' '))
})

test('the project’s own Node gets the same flags', (t) => {
  const { root, start } = oldNodeTree()
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const own = join(root, 'node_modules', 'node', 'bin', 'node')
  writeFileSync(own, '#!/bin/sh\necho "$@"\n', { mode: 0o700 })
  const { stdout } = start()
  const { scripts } = JSON.parse(readFileSync(join(entry, '..', '..', 'package.json'), 'utf8'))
  const flags = scripts.isochrone.split(' ').slice(1, -1)
  assert.equal(stdout.trim(), [...flags, join(root, 'bin', 'isochrone.js')].join(' '))
})

/** The entry in a folder without packages, before a program that prints a line. */
function freshClone(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'isochrone-entry-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  for (const folder of ['bin', 'tools', 'src/cli', 'node_modules']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  const copy = join(root, 'bin', 'isochrone.js')
  cpSync(entry, copy)
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(root, 'package-lock.json'), '{}')
  writeFileSync(join(root, 'src', 'cli', 'main.ts'), "console.log('a key')")
  const options = { encoding: 'utf8', timeout: timeoutMs } as const
  return { root, copy, start: () => spawnSync(process.execPath, [copy], options) }
}

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
