/**
 * One process per data folder, held by an exclusive lock of SQLite on a file there: the operating system
 * releases it when the process ends, however it ends, so no stale lock can remain.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { IsochroneError } from '../../protocol/index.ts'
import { storageFault } from './atomic-file.ts'

export interface DataLock {
  release(): void
}

/** @throws IsochroneError `storage_failed` when another process holds the folder, or it cannot be written */
export function lockDataFolder(folder: string): DataLock {
  const owner = join(folder, 'owner')
  const database = openLockFile(folder)
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (!String(cause).includes('locked')) throw storageFault(folder, cause)
    throw new IsochroneError(
      'storage_failed',
      `the data folder ${folder} is in use by another process${ownerOf(owner)}; ` +
        'stop it first, or choose another folder with --data DIR',
      { detail: { folder }, cause },
    )
  }
  // For the message above only; the lock itself is SQLite's.
  writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 })
  return { release: () => database.close() }
}

function openLockFile(folder: string): DatabaseSync {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const database = new DatabaseSync(join(folder, 'lock'))
    return database
  } catch (cause) {
    throw storageFault(folder, cause)
  }
}

function ownerOf(file: string): string {
  try {
    const pid = readFileSync(file, 'utf8').trim()
    return /^\d{1,10}$/.test(pid) ? ` (process ${pid})` : ''
  } catch {
    return ''
  }
}
