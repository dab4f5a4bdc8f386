/**
 * The folder in which a pull gathers its files, `.downloads/KEY`. Whoever works in it renames it to
 * `KEY.PID-RANDOM` first and back in the end: two pulls never write the same file, and what one
 * that died has left is found by its process, which is gone.
 */
import { mkdir, readdir, rename, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { IsochroneError } from '../protocol/index.ts'
import { isMissing, isTemporaryInUse, storageFault, temporaryName } from './store.ts'

export interface DownloadFolder {
  readonly path: string
  /** Leaves what is there for the next pull. */
  giveBack(): Promise<void>
}

/**
 * @param key of hub, model and commit
 * @param id for the error
 * @throws IsochroneError `model_download_failed` where somebody is pulling the same,
 *   `storage_failed`
 */
export async function takeFolder(
  storeDir: string,
  key: string,
  id: string,
): Promise<DownloadFolder> {
  const root = path.join(storeDir, '.downloads')
  const free = path.join(root, key)
  const prefix = `${key}.`
  const temporary = temporaryName(prefix)
  const own = path.join(root, temporary.name)
  try {
    await mkdir(root, { recursive: true })
    const others = (await readdir(root)).filter((name) => name.startsWith(prefix))
    const inUse = others.find((name) => isTemporaryInUse(name, prefix))
    if (inUse !== undefined) throw alreadyPulled(id, inUse.slice(prefix.length), root)
    // Each rename has one winner; who wins none begins anew.
    let isTaken = await renamed(free, own)
    for (const name of others) isTaken ||= await renamed(path.join(root, name), own)
    if (!isTaken) await mkdir(own)
  } catch (error) {
    temporary.done()
    throw storageFault(error, storeDir)
  }
  return {
    path: own,
    async giveBack() {
      // An empty one is gone with this; the others fail, and stay.
      await rmdir(own).catch(() => renamed(own, free))
      temporary.done()
    },
  }
}

function alreadyPulled(id: string, owner: string, root: string): IsochroneError {
  const pid = Number.parseInt(owner, 10)
  return new IsochroneError(
    'model_download_failed',
    `${id} is being pulled by process ${pid} already. Wait for it, or end it. If that process ` +
      `does something else, empty ${root}.`,
    { detail: { id, pid } },
  )
}

/** Whether this call moved it. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    // It is gone, or another one lies there already.
    if (isMissing(error) || code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}
