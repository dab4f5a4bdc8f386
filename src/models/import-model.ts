/**
 * Brings a Hugging Face folder into the store: reads its configuration, converts its weights once,
 * copies its tokenizer.
 */
import { mkdir, open, readFile, rename, rm, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { IsochroneError } from '../protocol/index.ts'
import { parseConfiguration } from './architecture.ts'
import { type Checkpoint, openCheckpoint } from './checkpoint.ts'
import { JsonFields } from './json-fields.ts'
import type { ModelFile, ModelManifest, Quantisation } from './manifest.ts'
import { manifestDigest, manifestFile } from './manifest-file.ts'
import { corrupt, unsupported } from './model-fault.ts'
import { sourceFileBytes } from './source-file.ts'
import {
  checkModelName,
  hashFile,
  incomingPrefix,
  openModel,
  storageFault,
  sweepStore,
  syncFolder,
  temporaryName,
} from './store.ts'
import { parameterCount, weightLayout, weightsFile } from './weight-layout.ts'
import { checkSources, writeWeights } from './weight-writer.ts'

export interface ImportOptions {
  readonly storeDir: string
  /** Default: the folder's own name, with the quantisation where that is not float32. */
  readonly name?: string
  readonly quantisation?: Quantisation
  readonly onProgress?: (progress: ModelProgress) => void
  readonly signal?: AbortSignal
}

export interface ModelProgress {
  readonly phase: 'downloading' | 'converting'
  readonly bytesDone: number
  readonly bytesTotal: number
}

/** Without it nobody can turn text into what the weights understand. */
export const tokenizerFile = 'tokenizer.json'

/** What an engine needs beside the weights; each is copied where it is there. */
export const sideFiles = [
  'config.json',
  'generation_config.json',
  tokenizerFile,
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'chat_template.json',
] as const

/** The largest published tokenizer.json has 34 MB. */
export const sideFileBytesMax = 256 * 1024 * 1024

/**
 * @throws IsochroneError `model_unsupported`, `model_corrupt` naming file, tensor and reason;
 *   `invalid_configuration` for a name that is taken or invalid; `storage_failed`
 */
export async function importModel(folder: string, options: ImportOptions): Promise<ModelManifest> {
  const quantisation = options.quantisation ?? 'float32'
  const suffix = quantisation === 'float32' ? '' : `-${quantisation}`
  const name = checkModelName(options.name ?? `${path.basename(path.resolve(folder))}${suffix}`)
  const { storeDir } = options
  try {
    await mkdir(storeDir, { recursive: true })
    await sweepStore(storeDir)
    const temporary = temporaryName(incomingPrefix)
    const incoming = path.join(storeDir, temporary.name)
    try {
      await mkdir(incoming)
      const manifest = await fill(incoming, folder, { ...options, name, quantisation })
      return await publish(incoming, storeDir, manifest)
    } finally {
      await rm(incoming, { recursive: true, force: true })
      temporary.done()
    }
  } catch (error) {
    throw storageFault(error, storeDir)
  }
}

/** Writes everything into the folder, synced. */
async function fill(
  incoming: string,
  folder: string,
  options: ImportOptions & { readonly name: string; readonly quantisation: Quantisation },
): Promise<ModelManifest> {
  const side = await copySideFiles(folder, incoming)
  const config = side.get('config.json')
  if (config === undefined) {
    const mend = 'A Hugging Face folder with config.json and model.safetensors is needed.'
    const isThere = await stat(folder).then(
      () => true,
      () => false,
    )
    const file = isThere ? path.join(folder, 'config.json') : folder
    throw corrupt({ file, mend }, `the ${isThere ? 'file' : 'folder'} is missing`)
  }
  if (!side.has(tokenizerFile)) throw tokenizerMissing(path.join(folder, tokenizerFile))
  const generation = side.get('generation_config.json')
  const configuration = parseConfiguration(config.text(), generation?.text())
  const checkpoint = await openCheckpoint(folder)
  let weights: ModelFile
  try {
    weights = await convert(checkpoint, incoming, { ...options, ...configuration })
  } finally {
    await checkpoint.close()
  }
  const unsigned = {
    format: 1 as const,
    name: options.name,
    ...configuration,
    quantisation: options.quantisation,
    parameters: parameterCount(configuration.architecture),
    hasChatTemplate: hasChatTemplate(side),
    files: [weights, ...[...side.values()].map(({ file }) => file)],
  }
  const manifest = { ...unsigned, digest: manifestDigest(unsigned) }
  await writeSynced(path.join(incoming, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`)
  await syncFolder(incoming)
  return manifest
}

/** @param file where it was looked for */
export function tokenizerMissing(file: string): IsochroneError {
  const mend =
    'Other forms of tokenizers (tokenizer.model, vocab.json) are not read; transformers writes ' +
    'this one with `AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`.'
  return unsupported({ file, mend }, 'the model has no tokenizer in this form')
}

async function convert(
  checkpoint: Checkpoint,
  incoming: string,
  options: ImportOptions & Pick<ModelManifest, 'architecture' | 'quantisation'>,
): Promise<ModelFile> {
  const layout = weightLayout(options.architecture, options.quantisation)
  // Before the space: a configuration that lies may ask for any amount of it.
  checkSources(checkpoint, layout)
  const last = [...layout.values()].at(-1)
  await checkSpace(incoming, (last?.offset ?? 0) + (last?.bytes ?? 0))
  const { onProgress, signal } = options
  const handle = await open(path.join(incoming, weightsFile), 'wx')
  try {
    const written = await writeWeights(checkpoint, layout, {
      handle,
      ...(signal && { signal }),
      ...(onProgress && {
        onProgress: (progress) => onProgress({ phase: 'converting', ...progress }),
      }),
    })
    await handle.sync()
    return { path: weightsFile, ...written }
  } finally {
    await handle.close()
  }
}

/** Before minutes of work, not after. */
async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= bytes) return
  const megabytes = (n: number) => `${Math.ceil(n / 1e6)} MB`
  const free = megabytes(bavail * bsize)
  throw new IsochroneError(
    'storage_failed',
    `${path.dirname(folder)}: ${megabytes(bytes)} are needed and ${free} are free. Free some ` +
      'space, or choose another data folder with --data.',
    { detail: { bytesNeeded: bytes, bytesFree: bavail * bsize } },
  )
}

/** One rename makes the model visible. The same model under the same name is no error. */
async function publish(
  incoming: string,
  storeDir: string,
  manifest: ModelManifest,
): Promise<ModelManifest> {
  const target = path.join(storeDir, manifest.name)
  try {
    await rename(incoming, target)
    await syncFolder(storeDir)
    return manifest
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOTDIR'].includes(code ?? '')) throw error
  }
  const existing = await openModel(storeDir, manifest.name).catch((error: unknown) => {
    if (!(error instanceof IsochroneError)) throw error
  })
  if (existing?.manifest.digest === manifest.digest) return existing.manifest
  const other = existing === undefined ? 'something that is no whole model' : 'another model'
  throw nameTaken(storeDir, manifest.name, other)
}

export function nameTaken(storeDir: string, name: string, what: string): IsochroneError {
  return new IsochroneError(
    'invalid_configuration',
    `${storeDir} already has ${what} named ${name}. Choose a name with --name, or remove that ` +
      'one.',
    { detail: { name, command: `models remove ${name}` } },
  )
}

interface SideFile {
  readonly file: ModelFile
  readonly text: () => string
}

async function copySideFiles(
  folder: string,
  incoming: string,
): Promise<ReadonlyMap<string, SideFile>> {
  const copied = new Map<string, SideFile>()
  for (const name of sideFiles) {
    if ((await sourceFileBytes(folder, name, sideFileBytesMax)) === undefined) continue
    const bytes = await readFile(path.join(folder, name))
    // Found now, not when a node loads the model.
    if (name.endsWith('.json')) JsonFields.parse(bytes.toString('utf8'), name)
    const target = path.join(incoming, name)
    await writeSynced(target, bytes)
    const file = { path: name, bytes: bytes.length, sha256: await hashFile(target) }
    copied.set(name, { file, text: () => bytes.toString('utf8') })
  }
  return copied
}

function hasChatTemplate(side: ReadonlyMap<string, SideFile>): boolean {
  if (side.has('chat_template.jinja') || side.has('chat_template.json')) return true
  const text = side.get('tokenizer_config.json')?.text()
  if (text === undefined) return false
  try {
    const config = JSON.parse(text) as { chat_template?: unknown } | null
    return (config?.chat_template ?? null) !== null
  } catch (error) {
    throw corrupt({ file: 'tokenizer_config.json' }, 'it is not valid JSON', error)
  }
}

async function writeSynced(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
