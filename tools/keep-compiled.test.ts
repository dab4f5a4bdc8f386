import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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
  assert.equal(starts(root), 'start\ngateway\n')
  writeFileSync(join(root, 'src', 'room', 'b.ts'), 'export const b = 1\n')
  await keepCompiled(root)
  assert.equal(starts(root), 'start\ngateway\nstart\ngateway\n')
})

test(
  'it is told to stop by the signal that is handed on, and nothing it left holds it up',
  posix,
  async (t) => {
    const left =
      'sleep 20 & echo "$1" >> starts\ntrap "" INT\ntrap "echo stopped >> starts; exit" TERM\n'
    const root = project(t, `${left}echo "Stop with Ctrl-C."\nwhile :; do sleep 0.1; done\n`)
    await keepCompiled(root)
    assert.equal(starts(root), 'start\nstopped\ngateway\nstopped\n')
  },
)

test('a program that cannot start does no harm, and is not tried again', posix, async (t) => {
  const root = project(t, 'echo "$1" >> starts\nexit 1\n')
  await keepCompiled(root)
  await keepCompiled(root)
  assert.equal(starts(root), 'start\ngateway\n')
})

test('what a request and an upstream need is loaded as well', posix, async (t) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const said = `http://127.0.0.1:${port}/v1 iso_key-of_a_test Stop with Ctrl-C.`
  const root = project(t, `echo "$@" >> starts\necho "${said}"\nexec sleep 60\n`)
  await keepCompiled(root)
  const question = 'POST /v1/chat/completions Bearer iso_key-of_a_test'
  assert.deepEqual(asked, [question, question])
  assert.match(starts(root), /^gateway .*--upstream none=http:\/\/127\.0\.0\.1:\d+\/v1/m)
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
