/**
 * Items that wait for the disk, as bytes in memory that the writing thread shares.
 *
 * An item becomes bytes at once: kept as objects for the tens of milliseconds until a group is
 * committed, all of them would move into V8's old generation, and be collected only with it. The
 * thread reads the bytes in place, so a group costs no copy either.
 *
 * An entry: its header (kind and length, 4 bytes), then a row as JSON, or a decision's id (its
 * length in 1 byte) and JSON.
 */
import { Buffer } from 'node:buffer'

/** The values of the columns, in the order of the insert statement. */
export type Row = readonly (string | number | null)[]

export interface EntryReader {
  observation(row: Row): void
  /** @param json UTF-8; valid until the buffer is written again */
  decision(id: string, json: Buffer): void
  sighting(row: Row): void
  incidentStep(row: Row): void
}

/** What both threads need to read a group. */
export interface GroupBytes {
  readonly shared: SharedArrayBuffer
  readonly start: number
  readonly end: number
}

/** The header's lowest bits say which kind it is. */
const kindBits = 2
const kindMask = 3
const observationKind = 0
const decisionKind = 1
const sightingKind = 2
const incidentStepKind = 3
const headerBytes = 4
/** UTF-8 needs at most three bytes per UTF-16 unit. */
const bytesPerUnitMax = 3
const capacityMinBytes = 256 * 1024
/** After a flood, what is larger than this is given back. */
const capacityKeptBytes = 4 * 1024 * 1024

export class GroupBuffer {
  #shared = new SharedArrayBuffer(capacityMinBytes)
  #bytes = Buffer.from(this.#shared)
  #start = 0
  #end = 0
  #count = 0

  /** Entries. */
  get count(): number {
    return this.#count
  }

  get bytes(): GroupBytes {
    return { shared: this.#shared, start: this.#start, end: this.#end }
  }

  addObservation(row: Row): void {
    this.#addRow(observationKind, row)
  }

  addSighting(row: Row): void {
    this.#addRow(sightingKind, row)
  }

  addIncidentStep(row: Row): void {
    this.#addRow(incidentStepKind, row)
  }

  addDecision(id: string, json: string): void {
    this.#reserve(headerBytes + 1 + id.length + json.length * bytesPerUnitMax)
    let at = this.#end + headerBytes
    this.#bytes[at] = id.length
    at += 1
    at += this.#bytes.write(id, at, 'latin1')
    this.#close(decisionKind, at + this.#bytes.write(json, at, 'utf8'))
  }

  /** Everything of another buffer, behind what is here. */
  append(other: GroupBuffer): void {
    const length = other.#end - other.#start
    this.#reserve(length)
    other.#bytes.copy(this.#bytes, this.#end, other.#start, other.#end)
    this.#end += length
    this.#count += other.#count
  }

  /**
   * The oldest entry but steps of incidents: they are few, each means something by itself, and
   * without one of them those behind it are void.
   */
  dropOldest(): void {
    if (this.#count === 0) return
    let at = this.#start
    while (at < this.#end && this.#kindAt(at) === incidentStepKind) at = this.#behind(at)
    if (at === this.#end) at = this.#start
    const length = this.#behind(at) - at
    this.#bytes.copyWithin(this.#start + length, this.#start, at)
    this.#start += length
    this.#count -= 1
  }

  clear(): void {
    this.#start = 0
    this.#end = 0
    this.#count = 0
    if (this.#shared.byteLength > capacityKeptBytes) this.#replace(capacityMinBytes)
  }

  #kindAt(at: number): number {
    return this.#bytes.readUInt32LE(at) & kindMask
  }

  #behind(at: number): number {
    return at + headerBytes + (this.#bytes.readUInt32LE(at) >>> kindBits)
  }

  #addRow(kind: number, row: Row): void {
    const json = JSON.stringify(row)
    this.#reserve(headerBytes + json.length * bytesPerUnitMax)
    const at = this.#end + headerBytes
    this.#close(kind, at + this.#bytes.write(json, at, 'utf8'))
  }

  #close(kind: number, end: number): void {
    const length = end - this.#end - headerBytes
    this.#bytes.writeUInt32LE(((length << kindBits) | kind) >>> 0, this.#end)
    this.#end = end
    this.#count += 1
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#shared.byteLength) return
    // By what is kept, not by the capacity: while the disk fails and the oldest are dropped, each
    // of them would be room that is never used again.
    const kept = this.#end - this.#start
    this.#replace(Math.max(capacityMinBytes, 2 * kept + bytes))
  }

  /** The thread may still read the bytes before: they stay its own. */
  #replace(capacityBytes: number): void {
    const before = this.#bytes
    this.#shared = new SharedArrayBuffer(capacityBytes)
    this.#bytes = Buffer.from(this.#shared)
    before.copy(this.#bytes, 0, this.#start, this.#end)
    this.#end -= this.#start
    this.#start = 0
  }
}

/** Reads every entry, oldest first. */
export function readGroup({ shared, start, end }: GroupBytes, reader: EntryReader): void {
  const bytes = Buffer.from(shared)
  for (let at = start; at < end; ) {
    const header = bytes.readUInt32LE(at)
    at += headerBytes
    const next = at + (header >>> kindBits)
    const kind = header & kindMask
    if (kind === decisionKind) {
      const idEnd = at + 1 + (bytes[at] ?? 0)
      reader.decision(bytes.toString('latin1', at + 1, idEnd), bytes.subarray(idEnd, next))
    } else {
      const row = JSON.parse(bytes.toString('utf8', at, next)) as Row
      if (kind === observationKind) reader.observation(row)
      else if (kind === sightingKind) reader.sighting(row)
      else reader.incidentStep(row)
    }
    at = next
  }
}
