/**
 * The folder in which a pull gathers its files, `.downloads/KEY`, for one pull at a time.
 *
 * Whoever works in it holds `.downloads/KEY.lock`: a folder with one entry, named after its owner.
 * It appears by the rename of a folder that has the entry already, which fails where there is
 * another one that is not empty: of those who try in the same instant one wins. The entry of a
 * process that is gone is removed by its name, which is never another's.
 */
import { mkdir, readdir, rename, rmdir, unlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { IsochroneError } from '../protocol/index.ts'
import { isMissing, isTemporaryInUse, storageFault, temporaryName } from './store.ts'

export interface DownloadFolder {
  readonly path: string
  /** Leaves what is there for the next pull. */
  giveBack(): Promise<void>
}

/** Owners that died, one after the other, while this pull tries to follow them: never so many. */
const triesMax = 10

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
  const own = path.join(root, key)
  const lock = path.join(root, `${key}.lock`)
  const owner = temporaryName('')
  const release = async () => {
    await unlink(path.join(lock, owner.name)).catch(ignore)
    await rmdir(lock).catch(ignore)
    owner.done()
  }
  try {
    await mkdir(root, { recursive: true })
    const other = await takeLock(lock, owner.name)
    if (other !== undefined) throw alreadyPulled(id, other, root)
    await mkdir(own, { recursive: true })
  } catch (error) {
    await release()
    throw storageFault(error, storeDir)
  }
  return {
    path: own,
    async giveBack() {
      // An empty one is gone with this; the others fail, and stay.
      await rmdir(own).catch(ignore)
      await release()
    },
  }
}

/** undefined: it is taken now; otherwise who has it. */
async function takeLock(lock: string, owner: string): Promise<string | undefined> {
  const made = `${lock}.${owner}`
  await mkdir(made)
  try {
    await writeFile(path.join(made, owner), '')
    for (let tries = 1; ; tries += 1) {
      const fault = await renamed(made, lock)
      if (fault === undefined) return undefined
      const [name] = await readdir(lock).catch(none)
      if (name !== undefined && isTemporaryInUse(name, '')) return name
      if (tries === triesMax) throw fault
      // Where another one is in by now, neither of these does anything.
      if (name === undefined) await rmdir(lock).catch(ignore)
      else await unlink(path.join(lock, name)).catch(ignore)
    }
  } finally {
    await unlink(path.join(made, owner)).catch(ignore)
    await rmdir(made).catch(ignore)
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

/** undefined: this call moved it. */
async function renamed(from: string, to: string): Promise<unknown> {
  try {
    await rename(from, to)
    return undefined
  } catch (error) {
    return error
  }
}

function none(error: unknown): string[] {
  if (!isMissing(error)) throw error
  return []
}

function ignore(): void {}
