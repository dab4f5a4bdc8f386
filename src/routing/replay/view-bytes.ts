/** The bytes of a view: written one after the other, and read back with every length checked. */
import { IsochroneError } from '../../protocol/index.ts'

/** Of 7 bits each: enough for a length of 32 bits. */
const variableBytesMax = 5

export class ViewWriter {
  #bytes: Buffer
  #length = 0

  /** @param bytesFirst of the memory to begin with; it grows as needed */
  constructor(bytesFirst: number) {
    // Not of Node's pool, which it would keep for as long as it lives.
    this.#bytes = Buffer.allocUnsafeSlow(bytesFirst)
  }

  get length(): number {
    return this.#length
  }

  /** Valid until something is written. */
  slice(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end)
  }

  uint8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  /** Over a byte that was written before. */
  put(at: number, value: number): void {
    this.#bytes[at] = value
  }

  /** What was written from there on is taken back. */
  cut(at: number): void {
    this.#length = at
  }

  /** A whole number below 2^32, in 7 bits a byte, the lowest first. */
  variable(value: number): void {
    let at = this.#room(variableBytesMax)
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[at++] = (rest % 0x80) | 0x80
    this.#bytes[at++] = rest
    this.#length = at
  }

  float64(value: number): void {
    const at = this.#room(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  float32(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeFloatLE(value, at)
  }

  text(value: string): void {
    const length = Buffer.byteLength(value)
    this.variable(length)
    const at = this.#room(length)
    this.#bytes.write(value, at, 'utf8')
  }

  /** Where the bytes begin, which count as written. */
  #room(length: number): number {
    const at = this.#length
    this.#length = at + length
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#length)
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    return at
  }
}

export class ViewReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get at(): number {
    return this.#at
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  uint8(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  variable(): number {
    let value = 0
    for (let i = 0, scale = 1; i < variableBytesMax; i += 1, scale *= 0x80) {
      const byte = this.uint8()
      value += (byte % 0x80) * scale
      if (byte < 0x80) return value
    }
    throw damagedView('a number has no end')
  }

  float64(): number {
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  float32(): number {
    return this.#bytes.readFloatLE(this.#take(4))
  }

  text(): string {
    const length = this.variable()
    const at = this.#take(length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  #take(length: number): number {
    const at = this.#at
    if (at + length > this.#bytes.length) throw damagedView('it ends too early')
    this.#at = at + length
    return at
  }
}

export function damagedView(what: string): IsochroneError {
  return new IsochroneError(
    'storage_failed',
    `What was kept of the nodes at the time of this decision is damaged (${what}).`,
  )
}
