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
  for (const name of ['models', 'kitchen', 'logs']) {
    mkdirSync(join(kept, name), { recursive: true })
  }
  writeFileSync(join(kept, 'kitchen', 'identity.pem'), '')
  lockDataFolder(kept).release()
  keepOutOfGit(kept)
  assert.equal(readFileSync(ignoreFile(kept), 'utf8'), '*\n')
  writeFileSync(ignoreFile(kept), 'logs\n')
  keepOutOfGit(kept)
  assert.equal(readFileSync(ignoreFile(kept), 'utf8'), 'logs\n')
})

test('a folder that may be somebody else’s is left as it is, whatever its names', () => {
  for (const names of [['thesis.txt'], ['models', 'gateway', 'logs'], ['node', 'lock'], ['.git']]) {
    const other = join(root, `with-${names.join('-')}`)
    for (const name of names) mkdirSync(join(other, name), { recursive: true })
    keepOutOfGit(other)
    assert.equal(existsSync(ignoreFile(other)), false, names.join(', '))
  }
})

test('where no folder can be made, whoever needs it says so', () => {
  writeFileSync(join(root, 'file'), '')
  keepOutOfGit(join(root, 'file', 'data'))
  assert.throws(() => lockDataFolder(join(root, 'file', 'data')), /a part of the path is a file/)
})
