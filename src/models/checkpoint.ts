/**
 * The tensors of a Hugging Face folder: one `model.safetensors`, or several with an index beside
 * them. Values come out as float32, a bounded number of rows at a time.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import path from 'node:path'
import { corrupt, unsupported } from './model-fault.ts'
import { readExactly, readSafetensorsHeader, type TensorEntry } from './safetensors.ts'
import { sourceFileBytes } from './source-file.ts'

export const checkpointLimits = {
  /** An index of a model with 1,000 layers is under a megabyte. */
  indexBytesMax: 64 * 1024 * 1024,
  filesMax: 4096,
} as const

export interface Checkpoint {
  has(name: string): boolean
  names(): Iterable<string>
  /** @throws IsochroneError `model_corrupt` when it is missing or has another shape */
  entry(name: string, shape: readonly number[]): TensorEntry
  /** Rows `[first, first + count)` of the first dimension, as float32, each value finite. */
  readRows(entry: TensorEntry, first: number, count: number): Promise<Float32Array>
  close(): Promise<void>
}

/** The safetensors files of a folder, by name, without opening them. */
export async function checkpointFiles(folder: string): Promise<readonly string[]> {
  const index = await readIndex(folder)
  return index === undefined ? ['model.safetensors'] : [...new Set(index.values())]
}

export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const index = await readIndex(folder)
  const files = index === undefined ? ['model.safetensors'] : [...new Set(index.values())]
  const handles = new Map<string, FileHandle>()
  const tensors = new Map<string, TensorEntry>()
  const close = async () => {
    await Promise.all([...handles.values()].map((handle) => handle.close()))
  }
  try {
    for (const file of files) {
      const handle = await openFile(folder, file)
      handles.set(file, handle)
      for (const [name, entry] of await readSafetensorsHeader(handle, file)) {
        if (index === undefined || index.get(name) === file) tensors.set(name, entry)
      }
    }
    for (const [tensor, file] of index ?? []) {
      if (!tensors.has(tensor)) {
        throw corrupt({ file, tensor }, 'the index places it here, but it is not in the file')
      }
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    has: (name) => tensors.has(name),
    names: () => tensors.keys(),
    entry: (name, shape) => findEntry(tensors, name, { shape, file: files.join(', ') }),
    readRows: (entry, first, count) => readRows(handles.get(entry.file), entry, { first, count }),
    close,
  }
}

async function openFile(folder: string, file: string): Promise<FileHandle> {
  const bytes = await sourceFileBytes(folder, file)
  if (bytes === undefined) throw corrupt({ file }, 'the file is missing')
  return open(path.join(folder, file), 'r')
}

async function readIndex(folder: string): Promise<ReadonlyMap<string, string> | undefined> {
  const file = 'model.safetensors.index.json'
  const bytes = await sourceFileBytes(folder, file, checkpointLimits.indexBytesMax)
  if (bytes === undefined) return undefined
  return parseIndex(await readFile(path.join(folder, file), 'utf8'), file)
}

export function parseIndex(text: string, file: string): ReadonlyMap<string, string> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw corrupt({ file }, 'it is not valid JSON', error)
  }
  const map = (json as { weight_map?: unknown } | null)?.weight_map
  if (typeof map !== 'object' || map === null) throw corrupt({ file }, 'it has no weight_map')
  const index = new Map<string, string>()
  for (const [tensor, name] of Object.entries(map)) {
    if (typeof name !== 'string' || !/^[\w.-]{1,200}\.safetensors$/.test(name)) {
      throw corrupt({ file, tensor }, 'its file is not the name of a safetensors file')
    }
    index.set(tensor, name)
  }
  if (index.size === 0) throw corrupt({ file }, 'its weight_map is empty')
  if (new Set(index.values()).size > checkpointLimits.filesMax)
    throw corrupt({ file }, 'too many files')
  return index
}

function findEntry(
  tensors: ReadonlyMap<string, TensorEntry>,
  tensor: string,
  expected: { readonly shape: readonly number[]; readonly file: string },
): TensorEntry {
  const entry = tensors.get(tensor)
  if (entry === undefined) throw corrupt({ file: expected.file, tensor }, 'it is missing')
  const { file, shape, dtype } = entry
  if (shape.length !== expected.shape.length || shape.some((n, i) => n !== expected.shape[i])) {
    const wanted = expected.shape.join(', ')
    const reason = `its shape is [${shape.join(', ')}]; config.json asks for [${wanted}]`
    throw corrupt({ file, tensor }, reason)
  }
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
    const mend = 'Use the checkpoint that is not quantised; the import quantises by itself.'
    throw unsupported({ file, tensor, mend }, `weights in ${dtype} cannot be read`)
  }
  return entry
}

async function readRows(
  handle: FileHandle | undefined,
  entry: TensorEntry,
  rows: { readonly first: number; readonly count: number },
): Promise<Float32Array> {
  const { file, name: tensor } = entry
  if (handle === undefined) throw corrupt({ file, tensor }, 'its file is not open')
  const rowBytes = entry.bytes / Math.max(1, entry.shape[0] ?? 1)
  const offset = entry.offset + rows.first * rowBytes
  const raw = await readExactly(handle, { file, offset, bytes: rows.count * rowBytes })
  const values = toFloat32(raw, entry.dtype)
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) {
      const at = (rows.first * rowBytes) / (raw.length / values.length) + i
      throw corrupt({ file, tensor }, `the value at ${at} is not a finite number`)
    }
  }
  return values
}

function toFloat32(raw: Uint8Array, dtype: TensorEntry['dtype']): Float32Array {
  if (dtype === 'F32') return new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4)
  if (dtype === 'F16') {
    return new Float32Array(new Float16Array(raw.buffer, raw.byteOffset, raw.length / 2))
  }
  const halves = new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2)
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i += 1) bits[i] = (halves[i] ?? 0) << 16
  return new Float32Array(bits.buffer)
}
