/**
 * The local store: a folder per model with its manifest, its weights and its tokenizer's files.
 *
 * A model appears by one rename of a finished, synced folder, so that a crash or a full disk leaves
 * nothing half-imported. Stores are shared by processes; nothing in a model's folder ever changes.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { IsochroneError, isModelDigest } from '../protocol/index.ts'
import type { ModelFile, ModelManifest } from './manifest.ts'
import { checkManifest, manifestFile } from './manifest-file.ts'
import { corrupt } from './model-fault.ts'

export interface StoredModel {
  readonly manifest: ModelManifest
  readonly folder: string
}

/** What a temporary folder's name starts with; such folders are no models. */
export const incomingPrefix = '.incoming-'
const leavingPrefix = '.leaving-'
/** Names of the temporary folders that this process works on. */
const ownFolders = new Set<string>()

/** A name for a temporary folder; `done` once the folder is gone. */
export function temporaryName(prefix: string): { readonly name: string; done(): void } {
  const name = `${prefix}${process.pid}-${randomBytes(6).toString('hex')}`
  ownFolders.add(name)
  return { name, done: () => void ownFolders.delete(name) }
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/
const manifestBytesMax = 1024 * 1024

export function checkModelName(name: string): string {
  if (!namePattern.test(name)) {
    throw new IsochroneError(
      'invalid_configuration',
      `"${name.slice(0, 100)}" cannot name a model: at most 96 letters, digits, ".", "_" and ` +
        '"-", starting with a letter or digit. Choose another with --name.',
      { detail: { name: name.slice(0, 100) } },
    )
  }
  return name
}

/** Sorted by name; a folder that is no whole model is left out. An absent store is empty. */
export async function listModels(storeDir: string): Promise<readonly StoredModel[]> {
  const models: StoredModel[] = []
  for (const name of (await folderNames(storeDir)).sort()) {
    if (!namePattern.test(name)) continue
    const manifest = await readManifest(path.join(storeDir, name)).catch(ignoreFault)
    if (manifest !== undefined) models.push({ manifest, folder: path.join(storeDir, name) })
  }
  return models
}

/**
 * Finds a model and checks its manifest's digest and its files' sizes.
 * @throws IsochroneError `model_not_found`, `model_corrupt`
 */
export async function openModel(storeDir: string, nameOrDigest: string): Promise<StoredModel> {
  const folder = isModelDigest(nameOrDigest)
    ? (await listModels(storeDir)).find((model) => model.manifest.digest === nameOrDigest)?.folder
    : namePattern.test(nameOrDigest)
      ? path.join(storeDir, nameOrDigest)
      : undefined
  const manifest = folder === undefined ? undefined : await readManifest(folder)
  if (folder === undefined || manifest === undefined) throw await unknown(storeDir, nameOrDigest)
  for (const file of manifest.files) await checkSize(folder, file)
  return { manifest, folder }
}

async function unknown(storeDir: string, nameOrDigest: string): Promise<IsochroneError> {
  const names = (await listModels(storeDir)).map((model) => model.manifest.name)
  const known = names.length === 0 ? 'The store is empty' : `It has ${names.join(', ')}`
  return new IsochroneError(
    'model_not_found',
    `There is no model ${nameOrDigest.slice(0, 100)} in ${storeDir}. ${known}; import one.`,
    { detail: { model: nameOrDigest.slice(0, 100), command: 'models import DIR' } },
  )
}

/** Reads every file and compares its hash: minutes for a large model. */
export async function verifyModel(model: StoredModel, signal?: AbortSignal): Promise<void> {
  for (const file of model.manifest.files) {
    await checkSize(model.folder, file)
    const sha256 = await hashFile(path.join(model.folder, file.path), signal)
    if (sha256 === file.sha256) continue
    const mend = `Remove ${model.manifest.name} and import it again.`
    throw corrupt({ file: file.path, mend }, 'its content has changed since the import')
  }
}

export async function removeModel(storeDir: string, nameOrDigest: string): Promise<void> {
  if (!isModelDigest(nameOrDigest) && !namePattern.test(nameOrDigest)) {
    throw await unknown(storeDir, nameOrDigest)
  }
  const folder = isModelDigest(nameOrDigest)
    ? (await openModel(storeDir, nameOrDigest)).folder
    : path.join(storeDir, nameOrDigest)
  const temporary = temporaryName(leavingPrefix)
  const leaving = path.join(storeDir, temporary.name)
  try {
    // Gone for everyone at once; the deletion itself may take a while.
    await rename(folder, leaving)
  } catch (error) {
    if (!isMissing(error)) throw storageFault(error, storeDir)
    throw await unknown(storeDir, nameOrDigest)
  }
  try {
    await rm(leaving, { recursive: true, force: true })
  } finally {
    temporary.done()
  }
}

/** Deletes what imports and removals that died have left. */
export async function sweepStore(storeDir: string): Promise<void> {
  for (const name of await folderNames(storeDir)) {
    const prefix = [incomingPrefix, leavingPrefix].find((known) => name.startsWith(known))
    if (prefix === undefined || isTemporaryInUse(name, prefix)) continue
    await rm(path.join(storeDir, name), { recursive: true, force: true })
  }
}

/** Whether the process that named it so still works on it. */
export function isTemporaryInUse(name: string, prefix: string): boolean {
  const pid = Number(/^(\d+)-/.exec(name.slice(prefix.length))?.[1])
  // In containers every process may have the same id: one's own are those made by this process.
  return pid === process.pid ? ownFolders.has(name) : isRunning(pid)
}

export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  const stream = createReadStream(file, { highWaterMark: 1024 * 1024, ...(signal && { signal }) })
  for await (const chunk of stream) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/**
 * Makes a folder's entries durable; some file systems refuse, and then the rename alone must do.
 */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

/** What the file system says, in words for a person. */
export function storageFault(error: unknown, where: string): unknown {
  if (error instanceof IsochroneError) return error
  const code = (error as NodeJS.ErrnoException | null)?.code
  const reasons: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full. Free some space, or choose another data folder with --data',
    EDQUOT: 'the disk quota is used up. Free some space, or choose another data folder with --data',
    EROFS: 'the disk is read-only. Choose another data folder with --data',
    EACCES: 'access is denied. Change its owner, or choose another data folder with --data',
    EPERM: 'access is denied. Change its owner, or choose another data folder with --data',
    EIO: 'the disk has a fault',
    EEXIST: 'a file is where a folder is needed. Choose another data folder with --data',
    ENOTDIR: 'a file is where a folder is needed. Choose another data folder with --data',
  }
  const reason = code === undefined ? undefined : reasons[code]
  if (reason === undefined) return error
  return new IsochroneError('storage_failed', `${where}: ${reason}.`, {
    detail: { where, code },
    cause: error,
  })
}

export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** undefined when there is no manifest; throws when there is one that cannot be believed. */
async function readManifest(folder: string): Promise<ModelManifest | undefined> {
  const file = path.join(folder, manifestFile)
  try {
    const { size } = await stat(file)
    if (size > manifestBytesMax) throw corrupt({ file: manifestFile }, 'it is too large')
    return checkManifest(await readFile(file, 'utf8'), path.basename(folder))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function checkSize(folder: string, file: ModelFile): Promise<void> {
  const info = await stat(path.join(folder, file.path)).catch(ignoreMissing)
  const mend = `Remove ${path.basename(folder)} and import it again.`
  if (info === undefined) throw corrupt({ file: file.path, mend }, 'the file is missing')
  if (info.size !== file.bytes) {
    throw corrupt({ file: file.path, mend }, `it has ${info.size} bytes instead of ${file.bytes}`)
  }
}

async function folderNames(storeDir: string): Promise<string[]> {
  const entries = await readdir(storeDir, { withFileTypes: true }).catch(ignoreMissing)
  return (entries ?? []).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}

function ignoreFault(error: unknown): undefined {
  if (!(error instanceof IsochroneError)) throw error
}
