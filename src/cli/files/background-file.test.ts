import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { IsochroneError } from '../../protocol/index.ts'
import { removeUnfinished, writeInBackground } from './atomic-file.ts'
import { BackgroundFile } from './background-file.ts'

/** A disk that flushes when it is told to. */
class SlowDisk {
  readonly written: string[] = []
  readonly #flushes: ((error?: Error) => void)[] = []

  readonly write = (_file: string, content: string): Promise<void> =>
    new Promise((resolve, reject) => {
      this.written.push(content)
      this.#flushes.push((error) => (error === undefined ? resolve() : reject(error)))
    })

  /** What had to begin before has begun, and what begins after it. */
  async flush(error?: Error): Promise<void> {
    await new Promise(setImmediate)
    const flush = this.#flushes.shift()
    assert.ok(flush, 'nothing is being written')
    flush(error)
    await new Promise(setImmediate)
  }
}

test('nobody waits for a busy disk, and what is outdated by then is not written', async () => {
  const disk = new SlowDisk()
  const file = new BackgroundFile('f', 0o600, disk.write)
  const first = file.write('1')
  await disk.flush()
  await first
  const second = file.write('2')
  await new Promise(setImmediate)
  const [third, fourth] = [file.write('3'), file.write('4')]
  assert.deepEqual(disk.written, ['1', '2'], 'one at a time')
  let isSettled = false
  const settled = file.settled().then(() => {
    isSettled = true
  })
  await disk.flush()
  await second
  assert.deepEqual(disk.written, ['1', '2', '4'], 'the newest')
  assert.equal(isSettled, false)
  await disk.flush()
  await Promise.all([third, fourth, settled])
})

test('what fails is told to who wrote it, and the next write is tried', async () => {
  const disk = new SlowDisk()
  const file = new BackgroundFile('f', 0o600, disk.write)
  const first = file.write('1')
  const failed = assert.rejects(first, /full/)
  await new Promise(setImmediate)
  const second = file.write('2')
  await disk.flush(new Error('full'))
  await failed
  await disk.flush()
  await second
  assert.deepEqual(disk.written, ['1', '2'])
  await file.settled()
})

test('a file is replaced whole, for its owner alone, and nothing is left beside it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-background-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'deep', 'file')
  const file = new BackgroundFile(path, 0o600)
  await file.write('one')
  await Promise.all(['two', 'three', 'four'].map((content) => file.write(content)))
  assert.equal(readFileSync(path, 'utf8'), 'four')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(folder, 'deep')), ['file'])
  chmodSync(path, 0o644)
  await writeInBackground(path, 'five', 0o600)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('what a process that was killed has left is removed, and nothing else', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-background-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['view.json', 'view.json.17.new', 'view.json.new2', 'other.json.17.new']) {
    writeFileSync(join(folder, name), 'x')
  }
  removeUnfinished(join(folder, 'view.json'))
  assert.deepEqual(readdirSync(folder), ['other.json.17.new', 'view.json', 'view.json.new2'])
  removeUnfinished(join(folder, 'none', 'view.json'))
})

test('where nothing can be written, the error names the file and how to mend it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-background-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const kept = join(folder, 'kept')
  await writeInBackground(kept, 'as it was', 0o600)
  const below = new BackgroundFile(join(kept, 'file'), 0o600)
  await assert.rejects(below.write('x'), (error: unknown) => {
    assert.ok(error instanceof IsochroneError)
    assert.equal(error.code, 'storage_failed')
    assert.match(error.message, /cannot write .*kept\/file: .*--data DIR/)
    return true
  })
  await below.settled()
  assert.equal(readFileSync(kept, 'utf8'), 'as it was')
  assert.deepEqual(readdirSync(folder), ['kept'])
})
