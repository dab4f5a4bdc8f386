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
import { assert } from '../../base/index.ts'
import type { Words } from './words.ts'

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
/** How many numbers and how many bytes follow. */
const headLength = 2
const headBytes = headLength * Float64Array.BYTES_PER_ELEMENT
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

export class Exchange {
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
   * @param take of each part, to be read at once
   */
  swap(outgoing: readonly Words[], take: (words: Words, from: number) => void): void {
    this.#window += 1
    for (const [reader, words] of outgoing.entries()) {
      if (reader !== this.#part) write(this.#box(this.#window, this.#part, reader), words)
    }
    Atomics.store(this.#written, this.#part, this.#window)
    Atomics.notify(this.#written, this.#part)
    const due = this.#window + 1 - windowsAhead
    if (due < 1) return
    for (let writer = 0; writer < this.#memory.parts; writer += 1) {
      if (writer === this.#part) continue
      this.#await(writer, due)
      take(read(this.#box(due, writer, this.#part)), writer)
    }
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

function write(box: SharedArrayBuffer, { numbers, bytes }: Words): void {
  const neededBytes = headBytes + numbers.byteLength + bytes.length
  assert(neededBytes <= boxBytesMax, 'what is told in one window fits its box')
  if (box.byteLength < neededBytes) box.grow(neededBytes)
  new Float64Array(box, 0, headLength).set([numbers.length, bytes.length])
  new Float64Array(box, headBytes, numbers.length).set(numbers)
  new Uint8Array(box, headBytes + numbers.byteLength, bytes.length).set(bytes)
}

function read(box: SharedArrayBuffer): Words {
  const [numbersLength = 0, bytesLength = 0] = new Float64Array(box, 0, headLength)
  const numbers = new Float64Array(box, headBytes, numbersLength)
  const bytes = new Uint8Array(box, headBytes + numbers.byteLength, bytesLength)
  return { numbers, bytes }
}
