/** SQLite's errors as `storage_failed`: what happened, to which file, and how to mend it. */
import { IsochroneError } from '../../protocol/index.ts'
import { errcodeOf } from './group.ts'

/** Primary result codes (sqlite.org/rescode.html); extended codes keep them in the low byte. */
const remedies: Readonly<Record<number, string>> = {
  3: 'is not accessible. Give this user the right to read and write it',
  5: 'is locked by another program. Stop that one, or give each gateway a data folder of its own',
  8: 'is read-only. Make it and its folder writable for this user',
  10: 'cannot be read or written. Check the disk',
  11: 'is damaged. Move it away and start again: a new one is made, and evidence is gathered anew',
  13: 'cannot grow. Free space on its disk, or raise its size limit',
  14: 'cannot be opened. Check that its folder exists and is writable',
  26: 'is not a database of this program. Move it away, or give another file',
}

export function storageFailed(file: string, error: unknown): IsochroneError {
  if (error instanceof IsochroneError) return error
  const errcode = errcodeOf(error)
  const remedy = remedies[errcode & 0xff] ?? 'failed. Check the disk and the log'
  const message = error instanceof Error ? error.message : String(error)
  return new IsochroneError('storage_failed', `The file ${file} ${remedy} (SQLite: ${message}).`, {
    detail: { file, errcode },
    cause: error,
  })
}
