/**
 * What one thread tells another, as numbers and bytes. Whoever writes and whoever reads go through
 * it in the same order, so nothing in it is named. A text goes once, then as a number; so do bytes
 * that are the same object each time. What is read is a copy, and keeps nothing else in memory.
 */
import { deserialize, serialize } from 'node:v8'

/** What was written since the last time. */
export interface Words {
  readonly numbers: Float64Array
  readonly bytes: Uint8Array
}

const firstLength = 4_096

export class WordWriter {
  #numbers = new Float64Array(firstLength)
  #numbersLength = 0
  #bytes = new Uint8Array(firstLength)
  #bytesLength = 0
  readonly #texts = new Map<string, number>()
  readonly #constants = new Map<Uint8Array, number>()

  number(value: number): void {
    if (this.#numbersLength === this.#numbers.length) {
      const numbers = new Float64Array(2 * this.#numbersLength)
      numbers.set(this.#numbers)
      this.#numbers = numbers
    }
    this.#numbers[this.#numbersLength] = value
    this.#numbersLength += 1
  }

  text(value: string): void {
    const known = this.#texts.get(value)
    this.number(known ?? this.#texts.size)
    if (known !== undefined) return
    this.#texts.set(value, this.#texts.size)
    this.bytes(Buffer.from(value))
  }

  bytes(value: Uint8Array): void {
    const { length } = value
    this.number(length)
    const end = this.#bytesLength + length
    if (end > this.#bytes.length) {
      const bytes = new Uint8Array(2 * end)
      bytes.set(this.#bytes.subarray(0, this.#bytesLength))
      this.#bytes = bytes
    }
    this.#bytes.set(value, this.#bytesLength)
    this.#bytesLength = end
  }

  /** Bytes that many things have in common. */
  constant(value: Uint8Array): void {
    const known = this.#constants.get(value)
    this.number(known ?? this.#constants.size)
    if (known !== undefined) return
    this.#constants.set(value, this.#constants.size)
    this.bytes(value)
  }

  list<TItem>(items: readonly TItem[], write: (item: TItem) => void): void {
    this.number(items.length)
    for (const item of items) write(item)
  }

  /** For what is rare: names and all. */
  plain(value: unknown): void {
    this.bytes(serialize(value))
  }

  /** To be read before anything else is written. */
  take(): Words {
    const numbers = this.#numbers.subarray(0, this.#numbersLength)
    const bytes = this.#bytes.subarray(0, this.#bytesLength)
    this.#numbersLength = 0
    this.#bytesLength = 0
    return { numbers, bytes }
  }
}

export class WordReader {
  #numbers = new Float64Array(firstLength)
  #numbersAt = 0
  #numbersLength = 0
  #bytes = new Uint8Array(firstLength)
  #bytesAt = 0
  readonly #texts: string[] = []
  readonly #constants: Uint8Array[] = []

  /** Out of shared memory, which is slower to read. */
  load({ numbers, bytes }: Words): void {
    if (numbers.length > this.#numbers.length) this.#numbers = new Float64Array(2 * numbers.length)
    if (bytes.length > this.#bytes.length) this.#bytes = new Uint8Array(2 * bytes.length)
    this.#numbers.set(numbers)
    this.#bytes.set(bytes)
    this.#numbersLength = numbers.length
    this.#numbersAt = 0
    this.#bytesAt = 0
  }

  get isAtEnd(): boolean {
    return this.#numbersAt >= this.#numbersLength
  }

  number(): number {
    const value = this.#numbers[this.#numbersAt] as number
    this.#numbersAt += 1
    return value
  }

  text<TText extends string = string>(): TText {
    const place = this.number()
    if (place === this.#texts.length) this.#texts.push(Buffer.from(this.bytes()).toString())
    return this.#texts[place] as TText
  }

  bytes(): Uint8Array {
    const length = this.number()
    if (length === 0) return nothing
    const from = this.#bytesAt
    this.#bytesAt += length
    return this.#bytes.slice(from, this.#bytesAt)
  }

  constant(): Uint8Array {
    const place = this.number()
    if (place === this.#constants.length) this.#constants.push(this.bytes())
    return this.#constants[place] as Uint8Array
  }

  list<TItem>(read: () => TItem): TItem[] {
    const length = this.number()
    const items: TItem[] = []
    for (let place = 0; place < length; place += 1) items.push(read())
    return items
  }

  plain(): unknown {
    return deserialize(this.bytes())
  }
}

const nothing = new Uint8Array(0)
