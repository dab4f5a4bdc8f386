/** One process per data folder. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { IsochroneError } from '../../protocol/index.ts'
import { storageFault } from './atomic-file.ts'
import { type ExclusiveLock, tryLock } from './exclusive-lock.ts'
import { makeFolder } from './make-folder.ts'

/**
 * @param otherwise what to do where the other process is to go on
 * @throws IsochroneError `storage_failed` when another process holds the folder, or it cannot be
 * written
 */
export function lockDataFolder(
  folder: string,
  otherwise = 'choose another folder with --data DIR',
): ExclusiveLock {
  const owner = join(folder, 'owner')
  try {
    makeFolder(folder)
  } catch (cause) {
    throw storageFault(folder, cause, 'create the data folder')
  }
  const lock = tryLock(join(folder, 'lock'))
  if (lock === undefined) {
    throw new IsochroneError(
      'storage_failed',
      `the data folder ${folder} is in use by another process${ownerOf(owner)}` +
        `${networkOf(folder)}; stop it first, or ${otherwise}`,
      { detail: { folder } },
    )
  }
  try {
    // For the message above only; the lock itself is SQLite's.
    writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 })
  } catch (cause) {
    lock.release()
    throw storageFault(owner, cause)
  }
  return lock
}

/** A gateway that is ready says in the folder where it is. */
function networkOf(folder: string): string {
  try {
    const url = readFileSync(join(folder, 'address'), 'utf8').trim()
    return URL.canParse(url) ? `: an Isochrone network already runs from it at ${url}` : ''
  } catch {
    return ''
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
