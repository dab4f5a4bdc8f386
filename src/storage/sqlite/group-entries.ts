/**
 * The bytes of items that wait for the disk, as both threads know them. Imports no other room: the
 * writing thread starts fast.
 *
 * An entry: its header (kind and length, 4 bytes), then a row as JSON; or a decision's id and that
 * of the API key (each with its length in 1 byte), the hash by which it is signed, a byte, and its
 * JSON; or a part of a view: its frame (likewise), where it begins there (6 bytes), and its bytes.
 */
import { Buffer } from 'node:buffer'

/** The values of the columns, in the order of the insert statement. */
export type Row = readonly (string | number | null)[]

export interface DecisionNames {
  readonly id: string
  /** Of the API key that asked; null: nobody's. */
  readonly keyId: string | null
}

export interface EntryReader {
  observation(row: Row): void
  /** @param json UTF-8; valid until the buffer is written again */
  decision(names: DecisionNames, json: Buffer): void
  sighting(row: Row): void
  incidentStep(row: Row): void
  ledgerEntry(row: Row): void
  /** @param bytes valid until the buffer is written again */
  view(frame: string, at: number, bytes: Buffer): void
}

/** What both threads need to read a group. */
export interface GroupBytes {
  readonly shared: SharedArrayBuffer
  readonly start: number
  readonly end: number
}

/** The header's lowest bits say which kind it is. */
export const kindBits = 3
export const kindMask = 7
export const observationKind = 0
export const decisionKind = 1
export const sightingKind = 2
export const incidentStepKind = 3
export const viewKind = 4
export const ledgerEntryKind = 5
export const headerBytes = 4
/** Of a place in a frame. */
export const placeBytes = 6
/** The hash by which a decision is signed, and the byte before its JSON. */
const sealBytes = 32 + 1

/** Reads every entry, oldest first. */
export function readGroup({ shared, start, end }: GroupBytes, reader: EntryReader): void {
  const bytes = Buffer.from(shared)
  for (let at = start; at < end; ) {
    const header = bytes.readUInt32LE(at)
    at += headerBytes
    const next = at + (header >>> kindBits)
    const kind = header & kindMask
    if (kind === decisionKind || kind === viewKind) {
      const nameEnd = endOfName(bytes, at)
      const name = bytes.toString('latin1', at + 1, nameEnd)
      if (kind === decisionKind) {
        const keyEnd = endOfName(bytes, nameEnd)
        const keyId = bytes.toString('latin1', nameEnd + 1, keyEnd) || null
        reader.decision({ id: name, keyId }, bytes.subarray(keyEnd + sealBytes, next))
      } else {
        const place = bytes.readUIntBE(nameEnd, placeBytes)
        reader.view(name, place, bytes.subarray(nameEnd + placeBytes, next))
      }
    } else {
      const row = JSON.parse(bytes.toString('utf8', at, next)) as Row
      if (kind === observationKind) reader.observation(row)
      else if (kind === sightingKind) reader.sighting(row)
      else if (kind === incidentStepKind) reader.incidentStep(row)
      else reader.ledgerEntry(row)
    }
    at = next
  }
}

/** @param at of its length */
export function endOfName(bytes: Uint8Array, at: number): number {
  return at + 1 + (bytes[at] ?? 0)
}
