/**
 * Checks that a FlatBuffers message lies within its bytes before anything is read from it.
 *
 * The accessors that flatc writes for JavaScript believe every offset and length. This walks the
 * whole message once and shows that each of them stays inside. Every byte of a table, string or
 * vector may be reached only once: writers do not share them (they share vtables), and a reader
 * that follows a small message of shared offsets could be kept busy for very long. So reading what
 * has passed takes time linear in its length.
 */
import { IsochroneError } from '../errors.ts'
import type { FieldLayout, TableLayout } from './table-layout.ts'

/** Throws `malformed_message`. */
export function verifyBuffer(bytes: Uint8Array, root: TableLayout): void {
  if (bytes.length < offsetBytes) throw malformed(`${root.name} has only ${bytes.length} bytes`)
  const walk: Walk = { bytes, bytesLeft: bytes.length }
  verifyTable(walk, offsetAt(walk, 0), root)
}

export function malformed(message: string, cause?: unknown): IsochroneError {
  const options = cause === undefined ? {} : { cause }
  return new IsochroneError('malformed_message', `malformed message: ${message}`, options)
}

interface Walk {
  readonly bytes: Uint8Array
  /** What has not been reached yet, if every byte is reached only once. */
  bytesLeft: number
}

const offsetBytes = 4
/** A vtable's own size and its table's size come first. */
const vtableHeadBytes = 4
/** Accessors read these as signed 16-bit numbers. */
const tableBytesMax = 0x7fff

function verifyTable(walk: Walk, at: number, layout: TableLayout): void {
  const { bytes } = walk
  if (at + offsetBytes > bytes.length) throw malformed(`${layout.name} lies outside`)
  const vtable = at - (readUint32(bytes, at) | 0)
  if (vtable < 0 || vtable + vtableHeadBytes > bytes.length) {
    throw malformed(`the vtable of ${layout.name} lies outside`)
  }
  const vtableBytes = readUint16(bytes, vtable)
  const tableBytes = readUint16(bytes, vtable + 2)
  const isVtableInside =
    vtableBytes >= vtableHeadBytes &&
    vtableBytes <= tableBytesMax &&
    vtableBytes % 2 === 0 &&
    vtable + vtableBytes <= bytes.length
  if (!isVtableInside) throw malformed(`the vtable of ${layout.name} has a wrong size`)
  if (tableBytes < offsetBytes || tableBytes > tableBytesMax || at + tableBytes > bytes.length) {
    throw malformed(`${layout.name} has a wrong size`)
  }
  reach(walk, tableBytes)
  const { fields } = layout
  const count = Math.min(fields.length, (vtableBytes - vtableHeadBytes) >> 1)
  for (let i = 0; i < count; i += 1) {
    const offset = readUint16(bytes, vtable + vtableHeadBytes + 2 * i)
    const field = fields[i]
    if (offset === 0 || field === undefined) continue
    const size = field.kind === 'scalar' ? field.bytes : offsetBytes
    if (offset < offsetBytes || offset + size > tableBytes) {
      throw malformed(`${layout.name}.${field.name} lies outside its table`)
    }
    if (field.kind !== 'scalar') verifyTarget(walk, offsetAt(walk, at + offset), field)
  }
}

/** What a field points at. */
function verifyTarget(walk: Walk, at: number, field: FieldLayout): void {
  switch (field.kind) {
    case 'scalar':
      return
    case 'table':
      if (field.table !== undefined) verifyTable(walk, at, field.table)
      return
    case 'string':
      verifyVector(walk, at, 1)
      return
    case 'scalars':
      verifyVector(walk, at, field.bytes)
      return
    case 'strings':
    case 'tables':
      verifyOffsets(walk, at, field)
  }
}

function verifyOffsets(walk: Walk, at: number, field: FieldLayout): void {
  const length = verifyVector(walk, at, offsetBytes)
  for (let i = 0; i < length; i += 1) {
    const target = offsetAt(walk, at + offsetBytes * (i + 1))
    if (field.table === undefined) verifyVector(walk, target, 1)
    else verifyTable(walk, target, field.table)
  }
}

/** The number of elements, which all lie inside. */
function verifyVector(walk: Walk, at: number, elementBytes: number): number {
  const length = at + offsetBytes <= walk.bytes.length ? readUint32(walk.bytes, at) : -1
  if (length < 0 || length * elementBytes > walk.bytes.length - at - offsetBytes) {
    throw malformed('a vector or string lies outside')
  }
  reach(walk, offsetBytes + length * elementBytes)
  return length
}

/** Where the offset at `at` points to: forwards, and inside. */
function offsetAt(walk: Walk, at: number): number {
  const offset = readUint32(walk.bytes, at)
  if (offset < offsetBytes || offset >= walk.bytes.length - at) {
    throw malformed('an offset points outside')
  }
  return at + offset
}

function reach(walk: Walk, bytes: number): void {
  walk.bytesLeft -= bytes
  if (walk.bytesLeft < 0) throw malformed('parts of it overlap')
}

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (readUint16(bytes, at) | (readUint16(bytes, at + 2) << 16)) >>> 0
}
