import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { lockDataFolder } from './data-lock.ts'
import { keepOutOfGit } from './out-of-git.ts'

const root = mkdtempSync(join(tmpdir(), 'isochrone-git-'))
after(() => rmSync(root, { recursive: true }))

const ignoreFile = (folder: string) => join(folder, '.gitignore')

test('a data folder that is made is left out by git, for its owner only', () => {
  const made = join(root, 'a', 'made')
  keepOutOfGit(made)
  assert.equal(readFileSync(ignoreFile(made), 'utf8'), '*\n')
  assert.equal(statSync(ignoreFile(made)).mode & 0o777, 0o600)
  assert.equal(statSync(made).mode & 0o777, 0o700)
})

test('so is one from before, and what its file says stays', () => {
  const kept = join(root, 'kept')
  for (const name of ['gateway', 'models', 'node', 'node-12', 'logs']) {
    mkdirSync(join(kept, name), { recursive: true })
  }
  writeFileSync(join(kept, 'local-key'), '')
  lockDataFolder(kept).release()
  keepOutOfGit(kept)
  assert.equal(readFileSync(ignoreFile(kept), 'utf8'), '*\n')
  writeFileSync(ignoreFile(kept), 'logs\n')
  keepOutOfGit(kept)
  assert.equal(readFileSync(ignoreFile(kept), 'utf8'), 'logs\n')
})

test('a folder with something else in it is left as it is', () => {
  for (const name of ['thesis.txt', '.git', 'gateway.old', 'nodes']) {
    const other = join(root, `with-${name}`)
    mkdirSync(join(other, 'gateway'), { recursive: true })
    writeFileSync(join(other, name), '')
    keepOutOfGit(other)
    assert.equal(existsSync(ignoreFile(other)), false, name)
  }
})

test('where no folder can be made, whoever needs it says so', () => {
  writeFileSync(join(root, 'file'), '')
  keepOutOfGit(join(root, 'file', 'data'))
  assert.throws(() => lockDataFolder(join(root, 'file', 'data')), /a part of the path is a file/)
})
