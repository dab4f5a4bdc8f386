/** A frame of a view, read back up to the change that a decision names. */
import { LatencyRecord, loadClasses, type SketchAt, timings } from '../../evidence/index.ts'
import type { Candidate } from '../candidate.ts'
import { readRow, rowLength } from './candidate-row.ts'
import { damagedView, ViewReader } from './view-bytes.ts'
import { firstHashOf, sha256, type ViewContext, type ViewReference, viewEntry } from './view-log.ts'

export interface View {
  readonly candidates: readonly Candidate[]
  readonly context: ViewContext
}

/** More are in no network, and a damaged file must not ask for all memory. */
const slotsMax = 1_000_000
const bucketsMax = 255

/**
 * Throws `storage_failed` where the bytes are damaged, or not those that the reference names.
 * @param bytes of the frame, from its beginning
 */
export function readView(bytes: Uint8Array, reference: ViewReference): View {
  const frame = new ReadFrame(bytes)
  let hash = firstHashOf(reference.frame)
  for (let change = 1; change <= reference.change; change += 1) {
    const start = frame.at
    frame.readChange()
    hash = sha256(hash, bytes.subarray(start, frame.at))
  }
  if (hash !== reference.hash) throw damagedView('its hash is not the one in the decision')
  return frame.view()
}

/**
 * As much of a frame as a decision saw: what came later is for others to ask for. undefined: it is
 * not kept until there. All of it where it cannot be read, for whoever asks to find that.
 */
export function viewUntil(bytes: Uint8Array, change: number): Uint8Array | undefined {
  const frame = new ReadFrame(bytes)
  try {
    for (let at = 0; at < change; at += 1) {
      if (frame.isAtEnd) return undefined
      frame.readChange()
    }
  } catch {
    return bytes
  }
  return bytes.subarray(0, frame.at)
}

class ReadFrame {
  readonly #in: ViewReader
  readonly #texts: string[] = []
  readonly #rows = new Map<number, Float64Array>()
  readonly #times = new Map<number, LatencyRecord>()
  #context: string | undefined

  constructor(bytes: Uint8Array) {
    this.#in = new ViewReader(bytes)
  }

  get at(): number {
    return this.#in.at
  }

  get isAtEnd(): boolean {
    return this.#in.isAtEnd
  }

  /** Up to and with its mark. */
  readChange(): void {
    for (;;) {
      switch (this.#in.uint8()) {
        case viewEntry.text:
          this.#texts.push(this.#in.text())
          break
        case viewEntry.row:
          this.#readRow()
          break
        case viewEntry.gone:
          this.#rows.delete(this.#in.variable())
          break
        case viewEntry.context:
          this.#context = this.#textOf(this.#in.variable())
          break
        case viewEntry.times:
          this.#readTimes()
          break
        case viewEntry.mark:
          return
        default:
          throw damagedView('it has an entry of no known kind')
      }
    }
  }

  view(): View {
    if (this.#context === undefined) throw damagedView('it names no policy')
    const context = parsed(this.#context) as ViewContext
    const slots = [...this.#rows].sort(([a], [b]) => a - b)
    const candidates = slots.map(([slot, row]) => {
      const times = this.#times.get(slot) ?? new LatencyRecord(1)
      return readRow(row, (number) => this.#textOf(number), times)
    })
    return { candidates, context }
  }

  #readRow(): void {
    const slot = this.#in.variable()
    if (slot > slotsMax) throw damagedView('it has too many rows')
    let row = this.#rows.get(slot)
    if (row === undefined) {
      row = new Float64Array(rowLength)
      this.#rows.set(slot, row)
    }
    for (let left = this.#in.uint8(); left > 0; left -= 1) {
      const column = this.#in.uint8()
      const value = this.#in.float64()
      if (column >= rowLength) throw damagedView('a row has too many values')
      row[column] = value
    }
  }

  #readTimes(): void {
    const slot = this.#in.variable()
    const halfLifeMs = this.#in.float64()
    const sketches: SketchAt[] = []
    for (let left = this.#in.uint8(); left > 0; left -= 1) {
      sketches.push(this.#readSketch(halfLifeMs))
    }
    this.#times.set(slot, LatencyRecord.from(halfLifeMs, sketches))
  }

  #readSketch(halfLifeMs: number): SketchAt {
    const timing = oneOf(timings, this.#in.text())
    const load = oneOf(loadClasses, this.#in.text())
    const [landmarkMs, total, latestMs] = [
      this.#in.float64(),
      this.#in.float64(),
      this.#in.float64(),
    ]
    const weights: [number, number][] = []
    for (let left = this.#in.uint8(); left > 0; left -= 1) {
      weights.push([Math.min(this.#in.uint8(), bucketsMax), this.#in.float32()])
    }
    return { timing, load, state: { halfLifeMs, landmarkMs, total, latestMs, weights } }
  }

  #textOf(number: number): string {
    const text = this.#texts[number - 1]
    if (text === undefined) throw damagedView('a text is missing')
    return text
  }
}

function oneOf<T extends string>(known: readonly T[], text: string): T {
  const found = known.find((one) => one === text)
  if (found === undefined) throw damagedView('a class of times is unknown')
  return found
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw damagedView('its policy is no JSON')
  }
}
