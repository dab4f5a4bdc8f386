import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { keepCompiled, stampOf } from './keep-compiled.js'

/** A project whose program notes each start, and that it was ready. */
function project(context: TestContext, program: string): string {
  const root = mkdtempSync(join(tmpdir(), 'isochrone-compiled-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  for (const folder of ['bin', 'src/room', 'node_modules']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  writeFileSync(join(root, 'src', 'room', 'a.ts'), 'export const a = 1\n')
  writeFileSync(join(root, 'bin', 'isochrone.js'), program)
  return root
}

const starts = (root: string) => readFileSync(join(root, 'starts'), 'utf8')
const sound = 'echo "$1" >> starts\necho "Stop with Ctrl-C."\nexec sleep 60\n'
const posix = { skip: process.platform === 'win32' && 'the program of the test is a shell’s' }

test('the program is started once, and again only after a source changed', posix, async (t) => {
  const root = project(t, sound)
  await keepCompiled(root)
  await keepCompiled(root)
  assert.equal(starts(root), 'start\n')
  writeFileSync(join(root, 'src', 'room', 'b.ts'), 'export const b = 1\n')
  await keepCompiled(root)
  assert.equal(starts(root), 'start\nstart\n')
})

test('a program that cannot start does no harm, and is not tried again', posix, async (t) => {
  const root = project(t, 'echo "$1" >> starts\nexit 1\n')
  await keepCompiled(root)
  await keepCompiled(root)
  assert.equal(starts(root), 'start\n')
})

test('what was kept of older sources goes', posix, async (t) => {
  const root = project(t, sound)
  const old = join(root, 'node_modules', '.cache', 'isochrone', 'old')
  mkdirSync(old, { recursive: true })
  await keepCompiled(root)
  assert.equal(existsSync(old), false)
})

test('a stamp is that of names, sizes and times', (t) => {
  const root = project(t, '')
  const before = stampOf(root)
  assert.equal(stampOf(root), before)
  writeFileSync(join(root, 'src', 'room', 'a.ts'), 'export const a = 22\n')
  assert.notEqual(stampOf(root), before)
})
