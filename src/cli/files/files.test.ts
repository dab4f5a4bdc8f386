/** What the data folder promises: whole files, secrets for their owner, one process at a time. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { createIdentity, hasCode, type IsochroneError } from '../../protocol/index.ts'
import { storageFault, writeFileAtomically } from './atomic-file.ts'
import { lockDataFolder } from './data-lock.ts'
import { takeTurn, tryLock } from './exclusive-lock.ts'
import { openIdentity } from './identity-file.ts'
import { openKnownGateways } from './known-gateways-file.ts'
import { readSecretFile } from './secret-file.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isochrone-files-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const modeOf = (file: string) => statSync(file).mode & 0o777

describe('files', () => {
  test('a file is replaced whole, and nothing is left beside it', () => {
    const file = join(folder, 'deep', 'file')
    writeFileAtomically(file, 'one', 0o600)
    writeFileAtomically(file, 'two', 0o600)
    assert.equal(readFileSync(file, 'utf8'), 'two')
    assert.equal(modeOf(file), 0o600)
    assert.deepEqual(readdirSync(join(folder, 'deep')), ['file'])
  })

  test('a disk that is full or read-only is told with how to mend it', () => {
    for (const [code, words] of [
      ['ENOSPC', 'the disk is full'],
      ['EROFS', 'read-only'],
      ['EACCES', 'may not write'],
    ]) {
      const fault = storageFault('the-file', Object.assign(new Error('raw'), { code }))
      assert.equal(fault.code, 'storage_failed')
      assert.match(fault.message, new RegExp(`the-file.*${words}.*--data DIR`))
    }
  })
})

describe('an identity', () => {
  test('is made once, for its owner alone, and the same ever after', () => {
    const first = openIdentity(folder)
    assert.equal(modeOf(join(folder, 'identity.pem')), 0o600)
    assert.equal(openIdentity(folder).id, first.id)
  })

  test('is refused when others can read it, with the command that mends it', () => {
    openIdentity(folder)
    const file = join(folder, 'identity.pem')
    chmodSync(file, 0o640)
    assert.throws(
      () => openIdentity(folder),
      (error: IsochroneError) =>
        error.code === 'invalid_configuration' && error.message.includes(`chmod 600 ${file}`),
    )
  })

  test('is never replaced in silence when damaged', () => {
    const file = join(folder, 'identity.pem')
    writeFileSync(file, 'no key', { mode: 0o600 })
    assert.throws(
      () => openIdentity(folder),
      (error) => hasCode(error, 'storage_failed'),
    )
    assert.equal(readFileSync(file, 'utf8'), 'no key')
  })

  test('a secret that is not there is no error', () => {
    assert.equal(readSecretFile(join(folder, 'nothing')), undefined)
  })
})

describe('known gateways', () => {
  test('are remembered across restarts', () => {
    const { id } = createIdentity()
    openKnownGateways(folder).put('host:1', id)
    assert.equal(openKnownGateways(folder).get('host:1'), id)
    assert.equal(openKnownGateways(folder).get('host:2'), undefined)
  })

  test('what could not be written is not remembered, so that it is written later', () => {
    const file = join(folder, 'known-gateways.json')
    const { id } = createIdentity()
    const known = openKnownGateways(folder)
    mkdirSync(file)
    assert.throws(
      () => known.put('host:1', id),
      (error) => hasCode(error, 'storage_failed'),
    )
    assert.equal(known.get('host:1'), undefined)
    rmdirSync(file)
    known.put('host:1', id)
    assert.equal(openKnownGateways(folder).get('host:1'), id)
  })

  test('a damaged file is refused: forgetting would let anybody pose as a known gateway', () => {
    const file = join(folder, 'known-gateways.json')
    for (const text of ['{', '[1]', 'null', '{"host:1": 5}', '{"host:1": "short"}']) {
      writeFileSync(file, text)
      assert.throws(
        () => openKnownGateways(folder),
        (error) => hasCode(error, 'storage_failed'),
        text,
      )
    }
  })
})

describe('locks', () => {
  test('a data folder is held by one, until released', () => {
    const lock = lockDataFolder(folder)
    assert.throws(
      () => lockDataFolder(folder),
      (error: IsochroneError) =>
        error.code === 'storage_failed' && error.message.includes(`process ${process.pid}`),
    )
    assert.throws(() => lockDataFolder(folder, 'give it a name'), /or give it a name$/)
    lock.release()
    lockDataFolder(folder).release()
  })

  test('a process that is killed holds nothing any more', async () => {
    const script = `
      import { lockDataFolder } from ${JSON.stringify(join(import.meta.dirname, 'data-lock.ts'))}
      globalThis.lock = lockDataFolder(${JSON.stringify(folder)})
      process.send('locked')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    assert.throws(
      () => lockDataFolder(folder),
      (error) => hasCode(error, 'storage_failed'),
    )
    child.kill('SIGKILL')
    await once(child, 'exit')
    lockDataFolder(folder).release()
  })

  test('turns are taken one after the other, and patience ends', async () => {
    const file = join(folder, 'turn')
    const held = tryLock(file)
    assert.ok(held !== undefined)
    const order: string[] = []
    await takeTurn(file, 1, async () => void order.push('impatient'))
    const waiting = takeTurn(file, 60_000, async () => void order.push('patient'))
    order.push('held')
    held.release()
    await waiting
    assert.deepEqual(order, ['impatient', 'held', 'patient'])
  })
})
