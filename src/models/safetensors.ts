/**
 * Reads the header of a safetensors file: https://github.com/huggingface/safetensors#format
 *
 * Eight bytes of length, that much JSON, then the data. The file is somebody else's: every number
 * is checked against the file's real size before anything is allocated or read.
 */
import type { FileHandle } from 'node:fs/promises'
import { corrupt } from './model-fault.ts'

export const safetensorsLimits = {
  /** As in the reference implementation. */
  headerBytesMax: 100_000_000,
  tensorsMax: 1_000_000,
  /** Nothing in a decoder has more dimensions. */
  rankMax: 8,
} as const

/**
 * Bits per element. Only F32, F16 and BF16 can be used as weights; the others may lie beside them.
 */
const dtypeBits = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
} as const

export type SafetensorsDtype = keyof typeof dtypeBits

export interface TensorEntry {
  readonly name: string
  /** The file's name, for errors. */
  readonly file: string
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  /** From the start of the file. */
  readonly offset: number
  readonly bytes: number
}

/**
 * Reads and checks the header.
 * @param file the name for errors
 * @returns the tensors by name
 * @throws IsochroneError `model_corrupt`
 */
export async function readSafetensorsHeader(
  handle: FileHandle,
  file: string,
): Promise<ReadonlyMap<string, TensorEntry>> {
  const { size } = await handle.stat()
  if (size < 8) throw corrupt({ file }, `the file has ${size} bytes; a header needs at least 8`)
  const prefix = await readExactly(handle, { file, offset: 0, bytes: 8 })
  const headerBytes = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true)
  if (headerBytes > BigInt(safetensorsLimits.headerBytesMax)) {
    throw corrupt({ file }, `the header claims ${headerBytes} bytes, more than the format allows`)
  }
  if (headerBytes > BigInt(size - 8)) {
    throw corrupt({ file }, `the header claims ${headerBytes} bytes, the file has ${size}`)
  }
  const header = await readExactly(handle, { file, offset: 8, bytes: Number(headerBytes) })
  return parseSafetensorsHeader(header, { file, fileBytes: size })
}

/** The header's JSON, checked against the size of the file that it came from. */
export function parseSafetensorsHeader(
  header: Uint8Array,
  from: { readonly file: string; readonly fileBytes: number },
): ReadonlyMap<string, TensorEntry> {
  const { file } = from
  const dataStart = 8 + header.length
  const json = parseHeaderJson(header, file)
  const names = Object.keys(json)
  if (names.length > safetensorsLimits.tensorsMax) {
    throw corrupt({ file }, `the header lists ${names.length} tensors`)
  }
  const tensors = new Map<string, TensorEntry>()
  for (const name of names) {
    if (name === '__metadata__') continue
    tensors.set(name, parseEntry(json[name], { name, file, dataStart, fileBytes: from.fileBytes }))
  }
  checkCoverage([...tensors.values()], { file, dataStart, fileBytes: from.fileBytes })
  return tensors
}

/** Reads `bytes` bytes or throws; `read` may return fewer than asked for. */
export async function readExactly(
  handle: FileHandle,
  range: { readonly file: string; readonly offset: number; readonly bytes: number },
): Promise<Uint8Array> {
  const target = new Uint8Array(range.bytes)
  let done = 0
  while (done < range.bytes) {
    const { bytesRead } = await handle.read(target, done, range.bytes - done, range.offset + done)
    if (bytesRead === 0) {
      const end = range.offset + done
      const reason = `the file ended at byte ${end}, ${range.bytes - done} bytes early`
      throw corrupt({ file: range.file }, reason)
    }
    done += bytesRead
  }
  return target
}

function parseHeaderJson(header: Uint8Array, file: string): Readonly<Record<string, unknown>> {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
  } catch (error) {
    throw corrupt({ file }, 'the header is not valid JSON in UTF-8', error)
  }
  if (!isRecord(json)) throw corrupt({ file }, 'the header is not a JSON object')
  return json
}

interface EntryPlace {
  readonly name: string
  readonly file: string
  readonly dataStart: number
  readonly fileBytes: number
}

function parseEntry(value: unknown, place: EntryPlace): TensorEntry {
  const { file } = place
  const at = { file, tensor: place.name }
  if (!isRecord(value)) throw corrupt(at, 'its entry is not an object')
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !isDtype(dtype)) {
    throw corrupt(at, `unknown dtype ${JSON.stringify(dtype)?.slice(0, 40)}`)
  }
  if (!Array.isArray(shape) || shape.length > safetensorsLimits.rankMax || !shape.every(isCount)) {
    throw corrupt(at, 'its shape is not a short list of whole numbers')
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw corrupt(at, 'its data_offsets are not two whole numbers')
  }
  const [begin, end] = offsets as [number, number]
  const dataBytes = place.fileBytes - place.dataStart
  if (begin > end || end > dataBytes) {
    throw corrupt(
      at,
      `its data [${begin}, ${end}) is outside the file's ${dataBytes} bytes of data`,
    )
  }
  const elements = (shape as number[]).reduce((product, size) => product * size, 1)
  const bytes = (elements * dtypeBits[dtype]) / 8
  if (!Number.isSafeInteger(bytes) || bytes !== end - begin) {
    throw corrupt(at, `${dtype} [${shape.join(', ')}] does not fit its ${end - begin} bytes`)
  }
  return { name: place.name, file, dtype, shape, offset: place.dataStart + begin, bytes }
}

/** The format wants the data covered without holes and overlaps, so that nothing can hide in it. */
function checkCoverage(
  entries: readonly TensorEntry[],
  place: { readonly file: string; readonly dataStart: number; readonly fileBytes: number },
): void {
  const { file } = place
  const sorted = entries.toSorted((a, b) => a.offset - b.offset || a.bytes - b.bytes)
  let at = place.dataStart
  for (const entry of sorted) {
    if (entry.offset !== at) {
      const what = entry.offset < at ? 'overlaps the tensor before it' : 'leaves a hole before it'
      throw corrupt({ file, tensor: entry.name }, `its data ${what}`)
    }
    at += entry.bytes
  }
  if (at !== place.fileBytes) {
    throw corrupt({ file }, `${place.fileBytes - at} bytes after the last tensor belong to nothing`)
  }
}

function isDtype(text: string): text is SafetensorsDtype {
  return Object.hasOwn(dtypeBits, text)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
