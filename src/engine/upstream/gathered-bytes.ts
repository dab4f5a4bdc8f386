/**
 * Bytes that come in parts until all are there. A part has some hundred bytes of its own, and
 * whoever sends may make each a single byte: so many parts become one.
 */

const partsMax = 1024

export class GatheredBytes {
  #pages: Buffer[] | undefined
  #parts: Buffer[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** @param part is copied: it is somebody else's after the call */
  add(part: Buffer): void {
    this.#length += part.length
    if (this.#parts.push(Buffer.from(part)) < partsMax) return
    this.#pages ??= []
    this.#pages.push(Buffer.concat(this.#parts))
    this.#parts = []
  }

  /**
   * All of them and then `last`; nothing is left here. What is one part is not copied, so `last`
   * has to be read before it is somebody else's.
   */
  take(last?: Buffer): Buffer {
    if (last !== undefined && this.#length === 0) return last
    const all = this.#pages === undefined ? this.#parts : [...this.#pages, ...this.#parts]
    if (last !== undefined) all.push(last)
    this.#pages = undefined
    this.#parts = []
    this.#length = 0
    return Buffer.concat(all)
  }
}
