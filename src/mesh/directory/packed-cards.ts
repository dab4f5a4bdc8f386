/**
 * Of the cards that a node holds, what each exchange looks at of all of them: the marks of their
 * versions, and what they see of the witnesses. Packed, in order of slots: an exchange reads some
 * kilobytes in a row, and not hundreds of objects that lie anywhere.
 */
import { isNowhere, type Outlook, seenApartMs } from './card.ts'
import { directoryLimits } from './limits.ts'

const { formersMax, sketchMax, unknownMs } = directoryLimits
/** A full view has up to 96 cards and begins with few: by so many it grows. */
const slotsAtOnce = 32
/** All marks that are said at once: of cards and of their versions before. */
let scratch = new Uint32Array((1 + formersMax) * 2 * slotsAtOnce)

export class PackedCards {
  #slots = slotsAtOnce
  #columns = columnsOf(slotsAtOnce)

  /** How differently it sees the witnesses. */
  get apartMs(): Float64Array {
    return this.#columns.apartMs
  }

  get heardAtMs(): Float64Array {
    return this.#columns.heardAtMs
  }

  /** Why it is held, a bit for each reason. */
  get reasons(): Uint8Array {
    return this.#columns.reasons
  }

  get misses(): Uint8Array {
    return this.#columns.misses
  }

  markAt(slot: number): number {
    return this.#columns.marks[slot] as number
  }

  /** undefined where there is none. */
  slotOf(mark: number, slots: number): number | undefined {
    const { marks } = this.#columns
    for (let slot = 0; slot < slots; slot += 1) if (marks[slot] === mark) return slot
    return undefined
  }

  /**
   * Those of all cards, and of their versions before where these are still handed on. To be read
   * before the next call.
   */
  marks(slots: number, isHandedOn: (slot: number) => boolean): Uint32Array {
    const marksMax = (1 + formersMax) * slots
    if (scratch.length < marksMax) scratch = new Uint32Array(2 * marksMax)
    const { formerMarks, marks } = this.#columns
    let count = 0
    for (let slot = 0; slot < slots; slot += 1) {
      scratch[count++] = marks[slot] as number
      const first = slot * formersMax
      if (formerMarks[first] === 0) continue
      if (!isHandedOn(slot)) {
        formerMarks.fill(0, first, first + formersMax)
        continue
      }
      for (let place = first; place < first + formersMax; place += 1) {
        const former = formerMarks[place] as number
        if (former !== 0) scratch[count++] = former
      }
    }
    return scratch.subarray(0, count)
  }

  /** A card that is new here; nothing is known of it but what it says. */
  put(slot: number, mark: number, outlook: Outlook): void {
    if (slot >= this.#slots) this.#grow()
    const { formerMarks, misses, reasons } = this.#columns
    this.#write(slot, mark, outlook)
    formerMarks.fill(0, slot * formersMax, (slot + 1) * formersMax)
    misses[slot] = 0
    reasons[slot] = 0
  }

  /** Another version of the card. */
  renew(slot: number, mark: number, outlook: Outlook): void {
    const { formerMarks } = this.#columns
    const first = slot * formersMax
    formerMarks.copyWithin(first + 1, first, first + formersMax - 1)
    formerMarks[first] = this.markAt(slot)
    this.#write(slot, mark, outlook)
  }

  move(from: number, to: number): void {
    const columns = this.#columns
    for (const name of columnNames) {
      const width = widths[name] ?? 1
      columns[name].copyWithin(to * width, from * width, (from + 1) * width)
    }
  }

  /** As `outlooksApartMs` has it; undefined where that is to be asked. */
  apartFrom(slot: number, { hash, ms }: Outlook): number | undefined {
    const { hashes, nowhere, seenMs } = this.#columns
    if (nowhere[slot] === 1) return unknownMs
    if (hash === 0 || hashes[slot] !== hash) return undefined
    return seenApartMs(ms, seenMs, slot * sketchMax)
  }

  #write(slot: number, mark: number, outlook: Outlook): void {
    const { hashes, marks, nowhere, seenMs } = this.#columns
    marks[slot] = mark
    hashes[slot] = outlook.hash
    nowhere[slot] = isNowhere(outlook) ? 1 : 0
    seenMs.set(outlook.ms, slot * sketchMax)
  }

  #grow(): void {
    const before = this.#columns
    this.#slots += slotsAtOnce
    this.#columns = columnsOf(this.#slots)
    for (const name of columnNames) this.#columns[name].set(before[name])
  }
}

/** Parts of one block of memory: a block for each would cost as much again. */
function columnsOf(slots: number) {
  const bytesBefore = 2 * 8 + (2 + formersMax + sketchMax) * 4
  const block = new ArrayBuffer(slots * (bytesBefore + 3))
  const [words, bytes] = [2 * 8 * slots, bytesBefore * slots]
  const [formers, seen] = [words + 8 * slots, words + (2 + formersMax) * 4 * slots]
  return {
    apartMs: new Float64Array(block, 0, slots),
    heardAtMs: new Float64Array(block, 8 * slots, slots),
    marks: new Uint32Array(block, words, slots),
    hashes: new Uint32Array(block, words + 4 * slots, slots),
    /** Of the versions before, which others may still hand on, the latest first; 0: none. */
    formerMarks: new Uint32Array(block, formers, slots * formersMax),
    seenMs: new Float32Array(block, seen, slots * sketchMax),
    /** 1: has seen nothing yet by which it could be compared. */
    nowhere: new Uint8Array(block, bytes, slots),
    reasons: new Uint8Array(block, bytes + slots, slots),
    misses: new Uint8Array(block, bytes + 2 * slots, slots),
  }
}

/** Numbers for each slot, where there is more than one. */
const widths: { readonly [name: string]: number } = { formerMarks: formersMax, seenMs: sketchMax }
const columnNames = Object.keys(columnsOf(0)) as (keyof ReturnType<typeof columnsOf>)[]
