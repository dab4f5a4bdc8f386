import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeFolder } from './make-folder.ts'

const root = mkdtempSync(join(tmpdir(), 'isochrone-folder-'))
after(() => rmSync(root, { recursive: true }))

test('missing levels are made for their owner only; what is there stays', () => {
  makeFolder(join(root, 'a', 'b', 'c'))
  makeFolder(join(root, 'a', 'b', 'c'))
  assert.equal(statSync(join(root, 'a', 'b', 'c')).mode & 0o777, 0o700)
})

test('a folder below a file, or in its place, is refused', () => {
  writeFileSync(join(root, 'file'), '')
  assert.throws(() => makeFolder(join(root, 'file')), { code: 'EEXIST' })
  assert.throws(() => makeFolder(join(root, 'file', 'x')), { code: /ENOTDIR|EEXIST/ })
})

test('a folder that the system will not have is refused at once', {
  skip: process.platform !== 'linux' && 'there is no /proc',
}, () => {
  assert.throws(() => makeFolder('/proc/isochrone/x'), { code: /ENOENT|EACCES|EPERM/ })
})
