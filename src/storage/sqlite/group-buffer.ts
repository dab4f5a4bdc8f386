/**
 * Items that wait for the disk, as bytes in memory that the writing thread shares.
 *
 * An item becomes bytes at once: kept as objects for the tens of milliseconds until a group is
 * committed, all of them would move into V8's old generation, and be collected only with it. The
 * thread reads the bytes in place, so a group costs no copy either.
 */
import { Buffer } from 'node:buffer'
import { leafPrefix, treeHashLengthBytes, writeLeafHash } from '../../protocol/index.ts'
import {
  type DecisionNames,
  decisionKind,
  endOfName,
  type GroupBytes,
  headerBytes,
  incidentStepKind,
  kindBits,
  kindMask,
  ledgerEntryKind,
  observationKind,
  placeBytes,
  type Row,
  sightingKind,
  viewKind,
} from './group-entries.ts'

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

  /** Of all entries, bytes. */
  get size(): number {
    return this.#end - this.#start
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

  addLedgerEntry(row: Row): void {
    this.#addRow(ledgerEntryKind, row)
  }

  addDecision({ id, keyId }: DecisionNames, json: string): void {
    const key = keyId ?? ''
    const before = headerBytes + 1 + id.length + 1 + key.length + treeHashLengthBytes + 1
    this.#reserve(before + json.length * bytesPerUnitMax)
    let at = this.#name(key, this.#named(id))
    const leaf = this.#bytes.subarray(at, at + treeHashLengthBytes)
    at += treeHashLengthBytes
    this.#bytes[at] = leafPrefix
    const end = at + 1 + this.#bytes.write(json, at + 1, 'utf8')
    writeLeafHash(this.#bytes.subarray(at, end), leaf)
    this.#close(decisionKind, end)
  }

  addView(frame: string, place: number, bytes: Uint8Array): void {
    this.#reserve(headerBytes + 1 + frame.length + placeBytes + bytes.length)
    let at = this.#named(frame)
    at = this.#bytes.writeUIntBE(place, at, placeBytes)
    this.#bytes.set(bytes, at)
    this.#close(viewKind, at + bytes.length)
  }

  /** The hashes of the decisions in it, in their order: 32 bytes each. */
  leaves(): Uint8Array {
    const leaves: Buffer[] = []
    for (let at = this.#start; at < this.#end; ) {
      const header = this.#bytes.readUInt32LE(at)
      at += headerBytes
      if ((header & kindMask) === decisionKind) {
        const start = endOfName(this.#bytes, endOfName(this.#bytes, at))
        leaves.push(this.#bytes.subarray(start, start + treeHashLengthBytes))
      }
      at += header >>> kindBits
    }
    return Buffer.concat(leaves)
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

  /** Begins an entry with its name; returns where what follows it begins. */
  #named(name: string): number {
    return this.#name(name, this.#end + headerBytes)
  }

  #name(name: string, at: number): number {
    this.#bytes[at] = name.length
    return at + 1 + this.#bytes.write(name, at + 1, 'latin1')
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
