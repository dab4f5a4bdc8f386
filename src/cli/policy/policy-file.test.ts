import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs, { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, type TestContext, test } from 'node:test'
import { ManualClock, silentLog } from '../../base/index.ts'
import { hasCode } from '../../protocol/index.ts'
import { PolicyFile } from './policy-file.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isochrone-policy-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function opened(text: string) {
  const path = join(folder, 'policy.yaml')
  writeFileSync(path, text)
  const clock = new ManualClock()
  const used: string[] = []
  const refused: string[] = []
  const errors: string[] = []
  const log = {
    ...silentLog,
    error: (message: string, fields: object = {}) =>
      void errors.push(`${message} ${JSON.stringify(fields)}`),
  }
  const file = new PolicyFile(
    { file: 'policy.yaml', path },
    {
      clock,
      log,
      onPolicy: ({ version }) => void used.push(version),
      onRefused: (words) => void refused.push(words),
    },
  )
  file.watch()
  const write = (next: string) => writeFileSync(path, next)
  return { file, path, clock, used, refused, errors, write }
}

test('a change is in force within a second, once', () => {
  const { file, clock, used, write } = opened('name: one')
  assert.match(file.policy.version, /^one-/)
  clock.advance(5_000)
  assert.deepEqual(used, [])
  write('name: second')
  clock.advance(1_000)
  assert.equal(used.length, 1)
  assert.match(used[0] ?? '', /^second-/)
  assert.equal(file.policy.version, used[0])
  clock.advance(5_000)
  assert.equal(used.length, 1)
  file.stop()
})

test('a file that is still being written is not read', () => {
  const { file, used, refused, write } = opened('name: one')
  write('na')
  file.look()
  write('name: seco')
  file.look()
  write('name: second')
  file.look()
  assert.deepEqual([used, refused], [[], []])
  file.look()
  assert.match(used[0] ?? '', /^second-/)
  assert.deepEqual(refused, [])
})

test('a file with a fault is refused aloud, once, and the policy before it stays', () => {
  const { file, clock, used, refused, errors, write } = opened('name: one')
  const { version } = file.policy
  write('name: two\nteirs: {}\n')
  clock.advance(5_000)
  assert.equal(refused.length, 1)
  assert.match(refused[0] ?? '', /^policy\.yaml:2:1: unknown key "teirs".*"tiers"/)
  assert.ok(refused[0]?.endsWith(`the policy ${version} stays in force`))
  assert.equal(errors.length, 1)
  assert.match(errors[0] ?? '', /^a policy is refused .*policy\.yaml:2:1/)
  assert.equal(file.policy.version, version)
  assert.deepEqual(used, [])
  write('name: two\ntiers: {}\n')
  clock.advance(1_000)
  assert.match(used[0] ?? '', /^two-/)
})

test('a file that is gone is refused; one that is put in its place is read', () => {
  const { clock, path, used, refused } = opened('name: one')
  rmSync(path)
  clock.advance(1_000)
  assert.match(refused[0] ?? '', /cannot read the policy policy\.yaml: there is no such file; the/)
  const beside = `${path}.new`
  writeFileSync(beside, 'name: two')
  renameSync(beside, path)
  clock.advance(1_000)
  assert.match(used[0] ?? '', /^two-/)
})

/** What stands in the place of the next read of a file. */
function mockRead(t: TestContext, read: (path: string) => string): void {
  t.mock.method(fs, 'readFileSync', read)
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
}

test('a file that is written to while it is read is read again', (t) => {
  const { clock, used, refused, write } = opened('name: one')
  const { readFileSync } = fs
  let reads = 0
  mockRead(t, (path) => {
    const text = readFileSync(path, 'utf8')
    reads += 1
    if (reads === 1) write('name: whole\nother-models: refuse\n')
    return text
  })
  write('name: half')
  clock.advance(5_000)
  assert.equal(used.length, 1)
  assert.match(used[0] ?? '', /^whole-/)
  assert.deepEqual([refused, reads], [[], 2])
})

test('what cannot be read now is told once, and tried until it can be', (t) => {
  const { clock, used, refused, write } = opened('name: one')
  const { readFileSync } = fs
  let isBroken = true
  mockRead(t, (path) => {
    if (isBroken) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    return readFileSync(path, 'utf8')
  })
  write('name: second')
  clock.advance(5_000)
  assert.equal(refused.length, 1)
  assert.match(refused[0] ?? '', /^cannot read the policy policy\.yaml: .*too many open files; the/)
  isBroken = false
  clock.advance(1_000)
  assert.match(used[0] ?? '', /^second-/)
  assert.equal(refused.length, 1)
})

test('a pipe, a folder and a huge file are refused, and nobody waits for them', () => {
  const { clock, path, refused, write } = opened('name: one')
  const put = (make: () => void) => {
    rmSync(path, { recursive: true })
    make()
    clock.advance(2_000)
  }
  put(() => execFileSync('mkfifo', [path]))
  put(() => fs.mkdirSync(path))
  put(() => write(`# ${'x'.repeat(1024 * 1024)}`))
  const reasons = refused.map((words) => /policy\.yaml: (.*?);/.exec(words)?.[1])
  assert.deepEqual(reasons, [
    'it is no regular file',
    'it is no regular file',
    'it is larger than 1048576 bytes',
  ])
})

test('what means the same changes nothing', () => {
  const { clock, used, refused, write } = opened('name: one')
  write('# as before\nname: one\n')
  clock.advance(1_000)
  assert.deepEqual([used, refused], [[], []])
})

test('a gateway does not start with a faulty policy', () => {
  assert.throws(
    () => opened('name: 1 2'),
    (error) => hasCode(error, 'invalid_configuration'),
  )
})
