/**
 * How the threads of a run hand each other messages. Time is cut into windows, so short that what
 * is said in one arrives `windowsAhead` windows later at the earliest. So a thread may be ahead of
 * another by that much, and only then waits: what holds one up for a while (a collection of
 * garbage) holds up no other. This is Chandy and Misra's way (1979) with a clock for all.
 *
 * What one has for another it writes into memory that both see. The boxes of a pair take turns:
 * whoever writes has read what the other said `windowsAhead` windows ago, and that one had by then
 * read what it was told as long before. Twice as many boxes as windows are never overrun.
 */
import { DefaultDeserializer, DefaultSerializer } from 'node:v8'
import { assert } from '../../base/index.ts'

/** With more, each costs a little; with fewer, a collection of garbage holds up the others. */
export const windowsAhead = 4

/** Plain data, handed to each thread. */
export interface ExchangeMemory {
  readonly parts: number
  /** By part: the last window that it has written for. */
  readonly written: SharedArrayBuffer
  /** By window's turn, writer, reader. */
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
    boxes: Array.from({ length: 2 * windowsAhead }, () => every.map(() => every.map(box))),
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
   * Ends a window: gives each part what it is told in it, and takes what the others have told this
   * one that may arrive in the next.
   * @param outgoing by part
   */
  swap(outgoing: readonly (readonly TItem[])[]): readonly TItem[] {
    this.#window += 1
    for (let reader = 0; reader < this.#memory.parts; reader += 1) {
      if (reader === this.#part) continue
      write(this.#box(this.#window, this.#part, reader), outgoing[reader] ?? [])
    }
    Atomics.store(this.#written, this.#part, this.#window)
    Atomics.notify(this.#written, this.#part)
    return this.#take(this.#window + 1 - windowsAhead)
  }

  #take(window: number): readonly TItem[] {
    const incoming: TItem[] = []
    if (window < 1) return incoming
    for (let writer = 0; writer < this.#memory.parts; writer += 1) {
      if (writer === this.#part) continue
      this.#await(writer, window)
      for (const item of read<TItem>(this.#box(window, writer, this.#part))) incoming.push(item)
    }
    return incoming
  }

  #await(writer: number, window: number): void {
    for (let looks = 0; ; looks += 1) {
      const written = Atomics.load(this.#written, writer)
      if (written >= window) return
      if (looks >= looksMax) Atomics.wait(this.#written, writer, written)
    }
  }

  #box(window: number, writer: number, reader: number): SharedArrayBuffer {
    const { boxes } = this.#memory
    const box = boxes[window % boxes.length]?.[writer]?.[reader]
    assert(box !== undefined, 'each pair of parts has boxes')
    return box
  }
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
