/**
 * How the threads of a run hand each other messages: each writes what it has for another into
 * memory that both see, then all wait until all have written. Two boxes per pair take turns, so one
 * thread may write for the next window while another still reads.
 */
import { DefaultDeserializer, DefaultSerializer } from 'node:v8'
import { assert } from '../../base/index.ts'

/** Plain data, handed to each thread. */
export interface ExchangeMemory {
  readonly parts: number
  /** By part: the last window that it has written for. */
  readonly written: SharedArrayBuffer
  /** By window's turn (0 or 1), writer, reader. */
  readonly boxes: readonly (readonly (readonly SharedArrayBuffer[])[])[]
}

const boxBytes = 1024 * 1024
/** Address space only: pages are taken as they are written. */
const boxBytesMax = 512 * 1024 * 1024
const headBytes = 4
/** Looks this often before it sleeps: waking takes as long as many windows. */
const looksMax = 2_000

export function exchangeMemory(parts: number): ExchangeMemory {
  const every = Array.from({ length: parts }, (_, part) => part)
  const box = () => new SharedArrayBuffer(boxBytes, { maxByteLength: boxBytesMax })
  return {
    parts,
    written: new SharedArrayBuffer(parts * Int32Array.BYTES_PER_ELEMENT),
    boxes: [0, 1].map(() => every.map(() => every.map(box))),
  }
}

export class Exchange<TItem> {
  readonly #memory: ExchangeMemory
  readonly #part: number
  readonly #written: Int32Array
  #window = 0

  constructor(memory: ExchangeMemory, part: number) {
    this.#memory = memory
    this.#part = part
    this.#written = new Int32Array(memory.written)
  }

  /**
   * Gives each part what is for it, and takes what all others have for this one.
   * @param outgoing by part
   */
  swap(outgoing: readonly (readonly TItem[])[]): readonly TItem[] {
    this.#window += 1
    const { parts, boxes } = this.#memory
    const turn = boxes[this.#window % 2] ?? []
    for (let reader = 0; reader < parts; reader += 1) {
      if (reader !== this.#part) write(boxAt(turn, this.#part, reader), outgoing[reader] ?? [])
    }
    Atomics.store(this.#written, this.#part, this.#window)
    Atomics.notify(this.#written, this.#part)
    const incoming: TItem[] = []
    for (let writer = 0; writer < parts; writer += 1) {
      if (writer === this.#part) continue
      this.#await(writer)
      for (const item of read<TItem>(boxAt(turn, writer, this.#part))) incoming.push(item)
    }
    return incoming
  }

  #await(writer: number): void {
    for (let looks = 0; ; looks += 1) {
      const window = Atomics.load(this.#written, writer)
      if (window >= this.#window) return
      if (looks >= looksMax) Atomics.wait(this.#written, writer, window)
    }
  }
}

function boxAt(
  turn: readonly (readonly SharedArrayBuffer[])[],
  writer: number,
  reader: number,
): SharedArrayBuffer {
  const box = turn[writer]?.[reader]
  assert(box !== undefined, 'each pair of parts has a box')
  return box
}

function write(box: SharedArrayBuffer, items: readonly unknown[]): void {
  if (items.length === 0) {
    new DataView(box).setUint32(0, 0)
    return
  }
  const writer = new Writer()
  writer.writeHeader()
  writer.writeValue(items)
  const bytes = writer.releaseBuffer()
  const neededBytes = headBytes + bytes.length
  assert(neededBytes <= boxBytesMax, 'what is told in one window fits its box')
  if (box.byteLength < neededBytes) box.grow(neededBytes)
  new DataView(box).setUint32(0, bytes.length)
  new Uint8Array(box, headBytes, bytes.length).set(bytes)
}

function read<TItem>(box: SharedArrayBuffer): readonly TItem[] {
  const length = new DataView(box).getUint32(0)
  if (length === 0) return []
  const reader = new Reader(new Uint8Array(box, headBytes, length))
  reader.readHeader()
  return reader.readValue()
}

class Writer extends DefaultSerializer {
  _writeHostObject(bytes: unknown): void {
    assert(bytes instanceof Uint8Array, 'of arrays of numbers only bytes are told')
    this.writeUint32(bytes.length)
    this.writeRawBytes(bytes)
  }
}

/**
 * What it reads is copied, bytes too: those that `deserialize` gives are a part of all that was
 * read, and a signature of eight bytes would keep the words of a whole window.
 */
class Reader extends DefaultDeserializer {
  _readHostObject(): Uint8Array {
    return new Uint8Array(this.readRawBytes(this.readUint32()))
  }
}
