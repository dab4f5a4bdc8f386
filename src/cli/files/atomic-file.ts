/**
 * Files that are whole or not there: written beside, flushed, then renamed.
 */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { IsochroneError } from '../../protocol/index.ts'
import { makeFolder } from './make-folder.ts'

/**
 * Waits for the disk, and so does the whole process: for what is written before it serves.
 * @param mode 0o600 for secrets
 */
export function writeFileAtomically(file: string, content: string, mode = 0o644): void {
  const beside = besideOf(file)
  try {
    makeFolder(dirname(file))
    const handle = openSync(beside, 'w', mode)
    try {
      writeSync(handle, content)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(beside, file)
  } catch (cause) {
    rmSync(beside, { force: true })
    throw storageFault(file, cause)
  }
}

/** While the process goes on. Of one file, one write at a time: see `BackgroundFile`. */
export async function writeInBackground(
  file: string,
  content: string,
  mode: number,
): Promise<void> {
  const beside = besideOf(file)
  try {
    makeFolder(dirname(file))
    const handle = await open(beside, 'w', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {})
    throw storageFault(file, cause)
  }
}

/** What processes that are gone have left of a file; its folder is this one's alone. */
export function removeUnfinished(file: string): void {
  const [folder, name] = [dirname(file), basename(file)]
  try {
    for (const left of readdirSync(folder)) {
      if (left.startsWith(`${name}.`) && left.endsWith('.new')) rmSync(join(folder, left))
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw storageFault(file, cause)
  }
}

function besideOf(file: string): string {
  return `${file}.${process.pid}.new`
}

/** A folder that others will write into. @throws IsochroneError `storage_failed` */
export function prepareFolder(folder: string): void {
  try {
    makeFolder(folder)
  } catch (cause) {
    throw storageFault(folder, cause, 'create the folder')
  }
}

/** What went wrong with a file, and how to mend it. */
export function storageFault(
  file: string,
  cause: unknown,
  what: 'write' | 'create the folder' | 'create the data folder' = 'write',
): IsochroneError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? ''
  const mending: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full; free some space, or choose another folder with --data DIR',
    EDQUOT: 'the disk quota is used up; free some space, or choose another folder with --data DIR',
    EACCES: 'this user may not write there; choose another folder with --data DIR',
    EPERM: 'this user may not write there; choose another folder with --data DIR',
    EROFS: 'the file system is read-only; choose another folder with --data DIR',
    ENOENT: 'no folder can be made there; choose another folder with --data DIR',
    ENOTDIR: 'a part of the path is a file, not a folder; choose another folder with --data DIR',
    EEXIST: 'a file is in the way; choose another folder with --data DIR',
  }
  const reason = mending[code] ?? (cause instanceof Error ? cause.message : String(cause))
  return new IsochroneError('storage_failed', `cannot ${what} ${file}: ${reason}`, {
    detail: { file },
    cause,
  })
}
