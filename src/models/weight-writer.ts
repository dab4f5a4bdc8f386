/**
 * Writes a checkpoint's weights as one `weights.bin` in the layout that the graphs expect.
 *
 * A bounded part of one tensor is in memory at a time; the file is written front to back and hashed
 * on the way.
 */
import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Checkpoint } from './checkpoint.ts'
import { quantiseRow } from './int4.ts'
import { corrupt, unsupported } from './model-fault.ts'
import type { TensorEntry } from './safetensors.ts'
import type { SourceTensor, StoredTensor, WeightLayout } from './weight-layout.ts'

const limits = {
  /** Read at a time. */
  readBytesMax: 16 * 1024 * 1024,
  /** Transposed at a time; a larger matrix is read once per stripe. */
  stripeBytesMax: 256 * 1024 * 1024,
} as const

export interface WeightProgress {
  readonly bytesDone: number
  readonly bytesTotal: number
}

export interface WrittenFile {
  readonly bytes: number
  readonly sha256: string
}

/** Of sources that `checkSources` has found right. */
export async function writeWeights(
  checkpoint: Checkpoint,
  layout: WeightLayout,
  target: {
    readonly handle: FileHandle
    readonly signal?: AbortSignal
    readonly onProgress?: (progress: WeightProgress) => void
  },
): Promise<WrittenFile> {
  const tensors = [...layout.values()]
  const last = tensors.at(-1)
  const writer = new WeightFile(target.handle, (last?.offset ?? 0) + (last?.bytes ?? 0))
  for (const tensor of tensors) {
    target.signal?.throwIfAborted()
    await writer.padTo(tensor.offset)
    await writeTensor(writer, checkpoint, { tensor, layout })
    target.onProgress?.({ bytesDone: writer.bytes, bytesTotal: writer.bytesTotal })
  }
  return { bytes: writer.bytes, sha256: writer.digest() }
}

class WeightFile {
  readonly bytesTotal: number
  bytes = 0
  readonly #handle: FileHandle
  readonly #hash: Hash = createHash('sha256')

  constructor(handle: FileHandle, bytesTotal: number) {
    this.#handle = handle
    this.bytesTotal = bytesTotal
  }

  async write(values: ArrayBufferView): Promise<void> {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.#hash.update(bytes)
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done)
      done += bytesWritten
    }
    this.bytes += bytes.length
  }

  async padTo(offset: number): Promise<void> {
    if (offset > this.bytes) await this.write(new Uint8Array(offset - this.bytes))
  }

  digest(): string {
    return this.#hash.digest('hex')
  }
}

async function writeTensor(
  file: WeightFile,
  checkpoint: Checkpoint,
  what: { readonly tensor: StoredTensor; readonly layout: WeightLayout },
): Promise<void> {
  switch (what.tensor.from) {
    case 'copy':
      return writeCopy(file, checkpoint, what.tensor)
    case 'transpose':
      return writeTransposed(file, checkpoint, what.tensor)
    case 'blocks':
      return writeBlocks(file, checkpoint, what)
    case 'scales':
      // Written together with its blocks, which come just before.
      return
  }
}

async function writeCopy(
  file: WeightFile,
  checkpoint: Checkpoint,
  tensor: StoredTensor,
): Promise<void> {
  for (const source of tensor.sources) {
    const entry = sourceEntry(checkpoint, source)
    for await (const { values } of rowBlocks(checkpoint, entry)) {
      await file.write(tensor.type === 'float16' ? toFloat16(values, entry) : values)
    }
  }
}

async function writeTransposed(
  file: WeightFile,
  checkpoint: Checkpoint,
  tensor: StoredTensor,
): Promise<void> {
  const [columns = 0, rowsTotal = 0] = tensor.shape
  const stripe = Math.max(1, Math.floor(limits.stripeBytesMax / (rowsTotal * 4)))
  for (let first = 0; first < columns; first += stripe) {
    const count = Math.min(stripe, columns - first)
    const target = new Float32Array(count * rowsTotal)
    let rowsDone = 0
    for (const source of tensor.sources) {
      const entry = sourceEntry(checkpoint, source)
      for await (const { values, rows } of rowBlocks(checkpoint, entry)) {
        const part = { values, rows, columns, first, count }
        transposeInto(target, { width: rowsTotal, at: rowsDone }, part)
        rowsDone += rows
      }
    }
    const [source] = tensor.sources
    if (tensor.type === 'float16' && source !== undefined) {
      await file.write(toFloat16(target, sourceEntry(checkpoint, source)))
    } else {
      await file.write(target)
    }
  }
}

/** Columns `[first, first + count)` of some rows become columns of the target. */
function transposeInto(
  target: Float32Array,
  place: { readonly width: number; readonly at: number },
  part: {
    readonly values: Float32Array
    readonly rows: number
    readonly columns: number
    readonly first: number
    readonly count: number
  },
): void {
  const { values, rows, columns, first, count } = part
  for (let row = 0; row < rows; row += 1) {
    const from = row * columns + first
    const to = place.at + row
    for (let k = 0; k < count; k += 1) target[k * place.width + to] = values[from + k] ?? 0
  }
}

async function writeBlocks(
  file: WeightFile,
  checkpoint: Checkpoint,
  what: { readonly tensor: StoredTensor; readonly layout: WeightLayout },
): Promise<void> {
  const { tensor, layout } = what
  const [rowsTotal = 0, blocks = 0, blockBytes = 0] = tensor.shape
  const scales = new Float32Array(rowsTotal * blocks)
  let rowsDone = 0
  for (const source of tensor.sources) {
    const columns = source.shape[1] ?? 0
    for await (const { values, rows } of rowBlocks(checkpoint, sourceEntry(checkpoint, source))) {
      const packed = new Uint8Array(rows * blocks * blockBytes)
      for (let row = 0; row < rows; row += 1) {
        quantiseRow(
          values.subarray(row * columns, (row + 1) * columns),
          packed.subarray(row * blocks * blockBytes, (row + 1) * blocks * blockBytes),
          scales.subarray((rowsDone + row) * blocks, (rowsDone + row + 1) * blocks),
        )
      }
      rowsDone += rows
      await file.write(packed)
    }
  }
  const scaleTensor = layout.get(tensor.name.replace(/weight$/, 'scales'))
  await file.padTo(scaleTensor?.offset ?? 0)
  await file.write(scales)
}

async function* rowBlocks(
  checkpoint: Checkpoint,
  entry: TensorEntry,
): AsyncGenerator<{ readonly values: Float32Array; readonly rows: number }> {
  const total = entry.shape[0] ?? 0
  const step = Math.max(1, Math.floor(limits.readBytesMax / (entry.bytes / Math.max(1, total))))
  for (let first = 0; first < total; first += step) {
    const rows = Math.min(step, total - first)
    yield { values: await checkpoint.readRows(entry, first, rows), rows }
  }
}

function toFloat16(values: Float32Array, entry: TensorEntry): Float16Array {
  const halves = new Float16Array(values)
  for (let i = 0; i < halves.length; i += 1) {
    if (!Number.isFinite(halves[i])) {
      const mend = 'Import it as float32.'
      throw unsupported(
        { file: entry.file, tensor: entry.name, mend },
        `the value ${values[i]} does not fit float16`,
      )
    }
  }
  return halves
}

function sourceEntry(checkpoint: Checkpoint, source: SourceTensor): TensorEntry {
  return checkpoint.entry(source.name, source.shape)
}

/**
 * Every tensor is there in the right shape, and none that the architecture does not use: a sign
 * that the configuration lies.
 */
export function checkSources(checkpoint: Checkpoint, layout: WeightLayout): void {
  for (const { sources } of layout.values()) {
    for (const source of sources) sourceEntry(checkpoint, source)
  }
  const used = new Set([...layout.values()].flatMap((tensor) => tensor.sources.map((s) => s.name)))
  const ignored = /(^lm_head\.weight|\.rotary_emb\.inv_freq)$/
  for (const name of checkpoint.names()) {
    if (used.has(name) || ignored.test(name)) continue
    throw corrupt(
      { file: 'config.json', tensor: name },
      'the checkpoint has this tensor, but the configuration has no place for it',
    )
  }
}
