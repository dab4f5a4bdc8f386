/**
 * An exclusive lock between processes: SQLite's, on a file. The operating system releases it when
 * the process ends, however it ends, so no stale lock can remain.
 */
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { storageFault } from './atomic-file.ts'
import { makeFolder } from './make-folder.ts'

export interface ExclusiveLock {
  release(): void
}

/** undefined: another process holds it. @throws IsochroneError `storage_failed` */
export function tryLock(file: string): ExclusiveLock | undefined {
  const database = openLockFile(file)
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return { release: () => database.close() }
  } catch (cause) {
    database.close()
    if (!String(cause).includes('locked')) throw storageFault(file, cause)
    return undefined
  }
}

/** Another process's turn is short; asking more often would only burn a core. */
const turnPollMs = 40

/**
 * Runs `work` while no other process does so under the same file; after `patienceMs` all the same.
 */
export async function takeTurn<T>(
  file: string,
  patienceMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const givenUpAt = performance.now() + patienceMs
  let lock = tryLock(file)
  while (lock === undefined && performance.now() < givenUpAt) {
    await new Promise((resolve) => setTimeout(resolve, turnPollMs))
    lock = tryLock(file)
  }
  try {
    return await work()
  } finally {
    lock?.release()
  }
}

function openLockFile(file: string): DatabaseSync {
  try {
    makeFolder(dirname(file))
    return new DatabaseSync(file)
  } catch (cause) {
    throw storageFault(file, cause)
  }
}
