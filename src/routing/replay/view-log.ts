/**
 * What decisions saw of all candidates, kept so that each can be made again: at first every
 * candidate as a row, then only what changed from one decision to the next. A decision keeps a
 * reference: a frame, and how many changes of it had happened.
 *
 * The hash of a change is over the one before and its bytes, so what a decision names as the hash
 * stands for all that it saw. Hashing is done when the reference is first written down, after the
 * request.
 */
import { hash } from 'node:crypto'
import type { LatencyRecord } from '../../evidence/index.ts'
import type { Candidate } from '../candidate.ts'
import type { RoutingPolicy } from '../policy.ts'
import { busyColumns, noObjects, type RowObjects, rowLength, writeRow } from './candidate-row.ts'
import { ViewWriter } from './view-bytes.ts'

/** The version of the view that a decision rests on. */
export interface ViewReference {
  readonly frame: string
  /** Of the frame; 1 for the first. */
  readonly change: number
  /** SHA-256, hexadecimal: of all changes up to this one. */
  readonly hash: string
}

/** A part of a frame, for the store. */
export interface ViewPiece {
  readonly frame: string
  /** Where in the frame it begins. */
  readonly at: number
  /** To be copied. */
  readonly bytes: Uint8Array
}

/** What all candidates are judged by alike. */
export interface ViewContext {
  /** Whose version makes the decisions. */
  readonly software: string
  readonly policy: RoutingPolicy
}

export const viewEntry = { text: 1, row: 2, gone: 3, context: 4, times: 5, mark: 6 } as const
export const firstHashOf = (frame: string) => sha256(`isochrone.v1.view\0${frame}`, noBytes)

/** A short frame costs its rows again soon; a long one is long to read. */
const frameBytesMin = 64 * 1024
/** Of the bytes of all rows, which are so a quarter of a long frame at most. */
const frameBytesPerRows = 4
const noBytes = new Uint8Array()
const frameBytesFirst = 4_096
const frameBytesSpare = 1.25

export class ViewLog {
  readonly #nameFrame: () => string
  #frame: ViewFrame

  /** @param nameFrame gives another name each time */
  constructor(nameFrame: () => string) {
    this.#nameFrame = nameFrame
    this.#frame = new ViewFrame(nameFrame())
  }

  /** The frame to write to, which begins anew from time to time: then all rows are to be set. */
  begin(): ViewFrame {
    this.#frame.measure()
    if (this.#frame.isFull) {
      // The next one will be about as long: what it outgrows would be old, and old memory is
      // collected only when there is much of it.
      const bytesFirst = Math.ceil(frameBytesSpare * this.#frame.length)
      this.#frame = new ViewFrame(this.#nameFrame(), bytesFirst)
    }
    return this.#frame
  }
}

interface KnownTimes {
  readonly record: LatencyRecord
  readonly version: number
}

export class ViewFrame {
  readonly id: string
  readonly #out: ViewWriter
  readonly #texts = new Map<string, number>()
  readonly #numberOf = (text: string): number => this.#texts.get(text) ?? this.#named(text)
  readonly #scratch = new Float64Array(rowLength)
  #rows = new Float64Array(0)
  readonly #objects: RowObjects[] = []
  /** By slot; undefined: gone. */
  readonly #latest: (Candidate | undefined)[] = []
  readonly #times: (KnownTimes | undefined)[] = []
  #policy: RoutingPolicy | undefined
  #mark: ViewMark | undefined
  #firstBytes = 0
  #keptBytes = 0
  readonly #unhashed: ViewMark[] = []
  #hashedBytes = 0
  #hash: string

  constructor(id: string, bytesFirst = frameBytesFirst) {
    this.id = id
    this.#out = new ViewWriter(bytesFirst)
    this.#hash = firstHashOf(id)
  }

  /** Bytes. */
  get length(): number {
    return this.#out.length
  }

  get isFull(): boolean {
    return this.#out.length >= Math.max(frameBytesMin, frameBytesPerRows * this.#firstBytes)
  }

  /** Before the second decision all rows are in it, and nothing else. */
  measure(): void {
    if (this.#firstBytes === 0) this.#firstBytes = this.#out.length
  }

  /** A slot for one more candidate; their order is that of the candidates. */
  place(): number {
    const slot = this.#latest.length
    this.#latest.push(undefined)
    this.#objects.push(noObjects())
    this.#times.push(undefined)
    if (this.#latest.length * rowLength > this.#rows.length) {
      const larger = new Float64Array(2 * this.#latest.length * rowLength)
      larger.set(this.#rows)
      this.#rows = larger
    }
    return slot
  }

  /** The candidate of that slot has other values. */
  set(slot: number, candidate: Candidate): void {
    const objects = this.#objects[slot]
    if (objects === undefined) return
    const isNew = this.#latest[slot] === undefined
    this.#latest[slot] = candidate
    const row = this.#scratch
    writeRow({ candidate, objects }, this.#numberOf, row)
    const first = slot * rowLength
    const out = this.#out
    const start = out.length
    out.uint8(viewEntry.row)
    out.variable(slot)
    const countAt = out.length
    out.uint8(0)
    let changes = 0
    for (let i = 0; i < rowLength; i += 1) {
      const value = row[i] ?? 0
      if (!isOther(value, this.#rows[first + i])) continue
      changes += 1
      out.uint8(i)
      out.float64(value)
      this.#rows[first + i] = value
    }
    if (changes === 0 && !isNew) out.cut(start)
    else out.put(countAt, changes)
  }

  /** Of what changes with each request, and nothing else of it is another one. */
  setBusy(slot: number, { inFlight, load, promptTokensAhead }: Candidate): void {
    this.#setColumn(slot, busyColumns.running, load.running)
    this.#setColumn(slot, busyColumns.kvTokensFree, load.kvTokensFree)
    this.#setColumn(slot, busyColumns.inFlight, inFlight)
    this.#setColumn(slot, busyColumns.ahead, promptTokensAhead ?? Number.NaN)
  }

  #setColumn(slot: number, column: number, value: number): void {
    const at = slot * rowLength + column
    if (!isOther(value, this.#rows[at])) return
    this.#rows[at] = value
    const out = this.#out
    out.uint8(viewEntry.row)
    out.variable(slot)
    out.uint8(1)
    out.uint8(column)
    out.float64(value)
  }

  remove(slot: number): void {
    if (this.#latest[slot] === undefined) return
    this.#latest[slot] = undefined
    this.#out.uint8(viewEntry.gone)
    this.#out.variable(slot)
  }

  /**
   * For a decision that is made now.
   * @param withTimes it reads the histograms of times
   */
  mark({ policy, software }: ViewContext, withTimes: boolean): ViewMark {
    const out = this.#out
    if (policy !== this.#policy) {
      this.#policy = policy
      const context = this.#numberOf(JSON.stringify({ software, policy }))
      out.uint8(viewEntry.context)
      out.variable(context)
    }
    if (withTimes) this.#writeTimes()
    const last = this.#mark
    if (last !== undefined && last.endBytes === out.length) return last
    out.uint8(viewEntry.mark)
    const mark = new ViewMark(this, (last?.change ?? 0) + 1, out.length)
    this.#mark = mark
    this.#unhashed.push(mark)
    return mark
  }

  /** What the store lacks to read the frame up to there; undefined: nothing. */
  pieceUntil(endBytes: number): ViewPiece | undefined {
    const at = this.#keptBytes
    if (endBytes <= at) return undefined
    this.#keptBytes = endBytes
    return { frame: this.id, at, bytes: this.#out.slice(at, endBytes) }
  }

  /** In the order in which they were made, since each hash rests on the one before. */
  hashUntil(mark: ViewMark): void {
    while (mark.known === undefined) {
      const next = this.#unhashed.shift()
      if (next === undefined) return
      this.#hash = sha256(this.#hash, this.#out.slice(this.#hashedBytes, next.endBytes))
      this.#hashedBytes = next.endBytes
      next.known = this.#hash
    }
  }

  #named(text: string): number {
    const number = this.#texts.size + 1
    this.#texts.set(text, number)
    this.#out.uint8(viewEntry.text)
    this.#out.text(text)
    return number
  }

  #writeTimes(): void {
    for (const [slot, candidate] of this.#latest.entries()) {
      const record = candidate?.evidence.latency?.record
      if (record === undefined) continue
      const known = this.#times[slot]
      if (known?.record === record && known.version === record.version) continue
      this.#times[slot] = { record, version: record.version }
      writeTimes(this.#out, slot, record)
    }
  }
}

/** A decision's reference to what it saw. */
export class ViewMark implements ViewReference {
  readonly #frame: ViewFrame
  readonly change: number
  readonly endBytes: number
  /** The hash; undefined: it was not asked for yet. */
  known: string | undefined

  constructor(frame: ViewFrame, change: number, endBytes: number) {
    this.#frame = frame
    this.change = change
    this.endBytes = endBytes
    this.known = undefined
  }

  get frame(): string {
    return this.#frame.id
  }

  get hash(): string {
    this.#frame.hashUntil(this)
    return this.known ?? ''
  }

  /** For the store; undefined: it has all of it. */
  piece(): ViewPiece | undefined {
    return this.#frame.pieceUntil(this.endBytes)
  }

  toJSON(): ViewReference {
    return { frame: this.frame, change: this.change, hash: this.hash }
  }
}

/** What the store lacks to make a decision again. */
export function piecesOf(
  rounds: readonly { readonly view: ViewReference | null }[],
): readonly ViewPiece[] {
  const pieces: ViewPiece[] = []
  for (const { view } of rounds) {
    const piece = view instanceof ViewMark ? view.piece() : undefined
    if (piece !== undefined) pieces.push(piece)
  }
  return pieces
}

/** For what is hashed with what was before: at once is half the price of step by step. */
let joined = Buffer.alloc(1_024)

/** @param before hexadecimal, or any text for the first */
export function sha256(before: string, bytes: Uint8Array): string {
  const needed = Buffer.byteLength(before) + bytes.length
  if (needed > joined.length) joined = Buffer.alloc(2 * needed)
  joined.set(bytes, joined.write(before))
  return hash('sha256', joined.subarray(0, needed), 'hex')
}

function writeTimes(out: ViewWriter, slot: number, record: LatencyRecord): void {
  const all = record.state()
  out.uint8(viewEntry.times)
  out.variable(slot)
  out.float64(record.halfLifeMs)
  out.uint8(all.length)
  for (const { load, state, timing } of all) {
    out.text(timing)
    out.text(load)
    out.float64(state.landmarkMs)
    out.float64(state.total)
    out.float64(state.latestMs)
    out.uint8(state.weights.length)
    for (const [bucket, weight] of state.weights) {
      out.uint8(bucket)
      out.float32(weight)
    }
  }
}

/** A number that is none is not other than itself here. */
function isOther(a: number | undefined, b: number | undefined): boolean {
  return a !== b && !(Number.isNaN(a) && Number.isNaN(b))
}
