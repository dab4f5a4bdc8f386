/**
 * Writes fields so that no two lists of fields have the same bytes: each after its length, which
 * takes 4 bytes. Numbers have the most significant byte first.
 *
 * All writers share one piece of memory, so one has to be done before the next is made.
 */
import { pooledCopy } from '../base/index.ts'

/** More than any envelope that a decoder lets through; a longer one gets memory of its own. */
const bytesFirst = 1024
const lengthBytes = 4

let memory = Buffer.alloc(bytesFirst)

export class CanonicalWriter {
  #length = 0

  bytes(value: Uint8Array): this {
    const at = this.#field(value.length)
    memory.set(value, at)
    return this
  }

  text(value: string, encoding: 'latin1' | 'utf8' | 'hex'): this {
    const at = this.#field(Buffer.byteLength(value, encoding))
    memory.write(value, at, encoding)
    return this
  }

  uint8(value: number): this {
    memory.writeUInt8(value, this.#field(1))
    return this
  }

  uint32(value: number): this {
    memory.writeUInt32BE(value, this.#field(4))
    return this
  }

  /** A whole number below 2^53. */
  uint64(value: number): this {
    const at = this.#field(8)
    memory.writeUInt32BE(Math.floor(value / 2 ** 32), at)
    memory.writeUInt32BE(value % 2 ** 32, at + 4)
    return this
  }

  /** The bytes, in memory that no other writer uses. */
  done(): Uint8Array {
    const bytes = pooledCopy(memory.subarray(0, this.#length))
    if (memory.length > bytesFirst) memory = Buffer.alloc(bytesFirst)
    return bytes
  }

  /** Writes the length of a field; returns where the field begins. */
  #field(length: number): number {
    const at = this.#length + lengthBytes
    this.#length = at + length
    if (this.#length > memory.length) {
      const larger = Buffer.alloc(2 * this.#length)
      memory.copy(larger)
      memory = larger
    }
    memory.writeUInt32BE(length, at - lengthBytes)
    return at
  }
}
