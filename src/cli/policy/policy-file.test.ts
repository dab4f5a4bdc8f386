import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
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
