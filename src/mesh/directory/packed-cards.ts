/**
 * Of the cards that a node holds, what each exchange looks at of all of them: the marks of their
 * versions, and what they see of the witnesses. Packed, in order of slots: an exchange reads some
 * kilobytes in a row, and not hundreds of objects that lie anywhere.
 */
import { isNowhere, type Outlook, seenApartMs } from './card.ts'
import { directoryLimits } from './limits.ts'

const { sketchMax, unknownMs } = directoryLimits
/** A full view has up to 96 cards; it begins with few. */
const firstSlots = 32
/** All marks that are said at once: of cards and of their versions before. */
let scratch = new Uint32Array(4 * firstSlots)

export class PackedCards {
  #marks = new Uint32Array(firstSlots)
  /** Of the version before, which others may still hand on; 0: none. */
  #formerMarks = new Uint32Array(firstSlots)
  #hashes = new Uint32Array(firstSlots)
  /** 1: has seen nothing yet by which it could be compared. */
  #nowhere = new Uint8Array(firstSlots)
  #seenMs = new Float32Array(firstSlots * sketchMax)

  markAt(slot: number): number {
    return this.#marks[slot] as number
  }

  /** undefined where there is none. */
  slotOf(mark: number, slots: number): number | undefined {
    const marks = this.#marks
    for (let slot = 0; slot < slots; slot += 1) if (marks[slot] === mark) return slot
    return undefined
  }

  /**
   * Those of all cards, and of their versions before where these are still handed on. To be read
   * before the next call.
   */
  marks(slots: number, isHandedOn: (slot: number) => boolean): Uint32Array {
    if (scratch.length < 2 * slots) scratch = new Uint32Array(4 * slots)
    let count = 0
    for (let slot = 0; slot < slots; slot += 1) {
      scratch[count++] = this.#marks[slot] as number
      const former = this.#formerMarks[slot] as number
      if (former === 0) continue
      if (isHandedOn(slot)) scratch[count++] = former
      else this.#formerMarks[slot] = 0
    }
    return scratch.subarray(0, count)
  }

  put(slot: number, mark: number, outlook: Outlook): void {
    const { hash, ms } = outlook
    if (slot >= this.#marks.length) this.#grow()
    this.#marks[slot] = mark
    this.#formerMarks[slot] = 0
    this.#hashes[slot] = hash
    this.#nowhere[slot] = isNowhere(outlook) ? 1 : 0
    this.#seenMs.set(ms, slot * sketchMax)
  }

  /** Another version of the card. */
  renew(slot: number, mark: number, outlook: Outlook): void {
    const former = this.#marks[slot] as number
    this.put(slot, mark, outlook)
    this.#formerMarks[slot] = former
  }

  move(from: number, to: number): void {
    for (const column of [this.#marks, this.#formerMarks, this.#hashes, this.#nowhere]) {
      column[to] = column[from] as number
    }
    this.#seenMs.copyWithin(to * sketchMax, from * sketchMax, (from + 1) * sketchMax)
  }

  /** As `outlooksApartMs` has it; undefined where that is to be asked. */
  apartMs(slot: number, { hash, ms }: Outlook): number | undefined {
    if (this.#nowhere[slot] === 1) return unknownMs
    if (hash === 0 || this.#hashes[slot] !== hash) return undefined
    return seenApartMs(ms, this.#seenMs, slot * sketchMax)
  }

  #grow(): void {
    const slots = 2 * this.#marks.length
    this.#marks = longer(this.#marks, slots)
    this.#formerMarks = longer(this.#formerMarks, slots)
    this.#hashes = longer(this.#hashes, slots)
    const nowhere = new Uint8Array(slots)
    nowhere.set(this.#nowhere)
    this.#nowhere = nowhere
    const seenMs = new Float32Array(slots * sketchMax)
    seenMs.set(this.#seenMs)
    this.#seenMs = seenMs
  }
}

function longer(column: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(length)
  copy.set(column)
  return copy
}
