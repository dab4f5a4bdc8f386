/**
 * Files of a folder that somebody else filled. Links are followed, as in the hub's own cache; what
 * is no regular file is refused before it is opened: a pipe would be waited for without end.
 */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { corrupt } from './model-fault.ts'
import { isMissing } from './store.ts'

/**
 * @returns its size; undefined when there is none
 * @throws IsochroneError `model_corrupt`
 */
export async function sourceFileBytes(
  folder: string,
  file: string,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<number | undefined> {
  const info = await stat(path.join(folder, file)).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  })
  if (info === undefined) return undefined
  if (!info.isFile()) throw corrupt({ file }, 'it is not a regular file')
  if (info.size > bytesMax) {
    throw corrupt({ file }, `it has ${info.size} bytes; the limit is ${bytesMax}`)
  }
  return info.size
}
