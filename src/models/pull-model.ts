/**
 * Fetches a model from a hub with Hugging Face's HTTP layout and imports it.
 *
 * The revision is pinned to a commit first, so that a resumed download never mixes two versions.
 */
import { rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { type Clock, systemClock } from '../base/index.ts'
import { IsochroneError } from '../protocol/index.ts'
import { checkpointFiles, checkpointLimits } from './checkpoint.ts'
import { cancelled, downloadFile } from './download-file.ts'
import { takeFolder } from './download-folder.ts'
import { type HubOptions, hubJson } from './hub-client.ts'
import {
  type ImportOptions,
  importModel,
  sideFileBytesMax,
  sideFiles,
  tokenizerFile,
  tokenizerMissing,
} from './import-model.ts'
import type { ModelManifest } from './manifest.ts'
import { unsupported } from './model-fault.ts'
import { keyOf, PulledModel } from './pulled-model.ts'

export interface PullOptions extends ImportOptions, HubOptions {
  /** A branch, tag or commit; default `main`. */
  readonly revision?: string
  readonly clock?: Clock
}

/** A list has kilobytes; a hub that sends it byte by byte is none. */
export const listTimeoutMs = 60_000
const indexFile = 'model.safetensors.index.json'
/** Files of published models have up to 50 GB; a disk that holds more than this is rare. */
const weightBytesMax = 2 ** 40
const idPattern = /^[A-Za-z0-9][\w.-]{0,95}(\/[A-Za-z0-9][\w.-]{0,95})?$/
const revisionPattern = /^[A-Za-z0-9][\w./-]{0,127}$/

interface HubModel {
  readonly commit: string
  /** Sizes in bytes; undefined where the hub does not say. */
  readonly files: ReadonlyMap<string, number | undefined>
}

/**
 * @param id for example `HuggingFaceTB/SmolLM2-135M-Instruct`
 * @throws IsochroneError `model_download_failed`, `model_not_found`, `cancelled` and what
 *   `importModel` throws
 */
export async function pullModel(id: string, options: PullOptions): Promise<ModelManifest> {
  const revision = options.revision ?? 'main'
  if (!idPattern.test(id) || !revisionPattern.test(revision) || revision.includes('..')) {
    const what = `"${id.slice(0, 100)}" at "${revision.slice(0, 100)}"`
    const message = `${what} is no model's id and revision. An id is like "owner/name".`
    throw new IsochroneError('invalid_configuration', message)
  }
  const model = await describe(id, revision, options)
  const { storeDir, quantisation = 'float32' } = options
  const base = id.slice(id.lastIndexOf('/') + 1)
  const name = options.name ?? (quantisation === 'float32' ? base : `${base}-${quantisation}`)
  const key = keyOf(options.hub.href, id, model.commit)
  const pulled = new PulledModel(storeDir, { key, quantisation, name })
  const known = await pulled.find()
  if (known !== undefined) return known
  const folder = await takeFolder(storeDir, key, id)
  try {
    const meanwhile = await pulled.find()
    if (meanwhile !== undefined) return meanwhile
    await download(id, model, { ...options, folder: folder.path })
    const manifest = await importModel(folder.path, { ...options, name })
    await rm(folder.path, { recursive: true, force: true })
    await pulled.remember(manifest)
    return manifest
  } finally {
    await folder.giveBack()
  }
}

async function describe(id: string, revision: string, options: PullOptions): Promise<HubModel> {
  const encoded = encodeURIComponent(revision)
  const url = new URL(`api/models/${id}/revision/${encoded}?blobs=true`, withSlash(options.hub))
  const late = new AbortController()
  const { clock = systemClock, signal } = options
  const timer = clock.after(listTimeoutMs, () => late.abort(new Error('it took too long')))
  const both = AbortSignal.any([late.signal, ...(signal ? [signal] : [])])
  const asked = hubJson(url, { ...options, signal: both }).finally(() => timer.cancel())
  const answer = await asked.catch((error: unknown) => {
    if (options.signal?.aborted) throw cancelled(url, error)
    if (error instanceof IsochroneError) throw refusalOf(error, { id, revision, url })
    const message = `${url.href}: the hub cannot be reached. Check the network and --hub.`
    throw new IsochroneError('model_download_failed', message, { cause: error })
  })
  const { sha, siblings } = (answer ?? {}) as { sha?: unknown; siblings?: unknown }
  if (typeof sha !== 'string' || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) {
    throw new IsochroneError('model_download_failed', `${url.href}: the answer lists no files.`)
  }
  const files = new Map<string, number | undefined>()
  for (const sibling of siblings as readonly unknown[]) {
    const { rfilename, size } = (sibling ?? {}) as { rfilename?: unknown; size?: unknown }
    if (typeof rfilename !== 'string') continue
    files.set(rfilename, Number.isSafeInteger(size) ? (size as number) : undefined)
  }
  return { commit: sha, files }
}

/** Hugging Face answers 401 for what is not there as well, to those who have no account. */
function refusalOf(
  error: IsochroneError,
  asked: { readonly id: string; readonly revision: string; readonly url: URL },
): IsochroneError {
  const { id, revision, url } = asked
  const { status } = error.detail
  const options = { detail: { ...error.detail, id, revision }, cause: error }
  if (status === 404) {
    const message = `${url.origin} has no model ${id} with a revision ${revision}. Check the id.`
    return new IsochroneError('model_not_found', message, options)
  }
  if (status !== 401 && status !== 403) return error
  const message =
    `${url.origin} has no model ${id}, or gives it only to accounts that may have it. Check the ` +
    'id, or give an account’s token with --hub-token.'
  return new IsochroneError('model_download_failed', message, options)
}

async function download(
  id: string,
  model: HubModel,
  options: PullOptions & { readonly folder: string },
): Promise<void> {
  const { folder, onProgress, clock = systemClock } = options
  const { files } = model
  const first = sideFiles.filter((file) => files.has(file))
  if (!files.has(indexFile) && !files.has('model.safetensors')) {
    const mend = 'Choose one that offers safetensors.'
    throw unsupported({ file: id, mend }, 'the model has no safetensors files')
  }
  // Now, not after gigabytes.
  if (!files.has(tokenizerFile)) throw tokenizerMissing(`${id}: ${tokenizerFile}`)
  const done = new Map<string, number>()
  let wanted: readonly string[] = [indexFile]
  const report = () => {
    const bytesDone = [...done.values()].reduce((sum, bytes) => sum + bytes, 0)
    const sizes = wanted.map((file) => files.get(file) ?? done.get(file) ?? 0)
    const bytesTotal = sizes.reduce((sum, bytes) => sum + bytes, 0)
    onProgress?.({ phase: 'downloading', bytesDone, bytesTotal: Math.max(bytesDone, bytesTotal) })
  }
  const fetchAll = async (names: readonly string[], bytesMax: number) => {
    for (const file of names) {
      const url = new URL(`${id}/resolve/${model.commit}/${file}`, withSlash(options.hub))
      const onBytes = (bytes: number) => {
        done.set(file, bytes)
        report()
      }
      const there = await stat(path.join(folder, file)).catch(() => undefined)
      if (there === undefined) {
        await downloadFile(url, path.join(folder, file), {
          ...options,
          clock,
          bytesListed: files.get(file),
          bytesMax,
          onBytes,
        })
      } else onBytes(there.size)
    }
  }
  const index = files.has(indexFile) ? [indexFile] : []
  await fetchAll(index, checkpointLimits.indexBytesMax)
  const weights = await checkpointFiles(folder)
  wanted = [...index, ...first, ...weights]
  for (const file of wanted) done.set(file, await bytesThere(path.join(folder, file)))
  await fetchAll(first, sideFileBytesMax)
  await fetchAll(weights, weightBytesMax)
}

/** Of a file that is whole, or of what an earlier pull has left. */
async function bytesThere(file: string): Promise<number> {
  const info = await stat(file).catch(() => stat(`${file}.part`).catch(() => undefined))
  return info?.size ?? 0
}

function withSlash(hub: URL): URL {
  return new URL(hub.href.endsWith('/') ? hub.href : `${hub.href}/`)
}
