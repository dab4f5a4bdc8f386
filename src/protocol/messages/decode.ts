/**
 * Reading messages: what comes in is hostile until every field has been looked at.
 *
 * A decoder returns a value or throws `malformed_message` or `message_too_large`, whatever the
 * bytes are.
 */
import { ByteBuffer } from 'flatbuffers'
import { hashLengthBytes } from '../envelope.ts'
import { IsochroneError } from '../errors.ts'
import {
  type ModelDigest,
  modelDigestOf,
  type NodeId,
  nodeIdOf,
  publicKeyLengthBytes,
} from '../ids.ts'
import { checkMessageBytes } from './encode.ts'
import { messageLimits } from './limits.ts'
import type { TableLayout } from './table-layout.ts'
import { malformed, verifyBuffer } from './verify-buffer.ts'

/** @param read makes the value from the verified buffer */
export function decodeMessage<T>(
  bytes: Uint8Array,
  layout: TableLayout,
  read: (buffer: ByteBuffer) => T,
): T {
  checkMessageBytes(bytes.length)
  try {
    verifyBuffer(bytes, layout)
    return read(new ByteBuffer(bytes))
  } catch (error) {
    throw error instanceof IsochroneError ? error : malformed(layout.name, error)
  }
}

/** The accessors' own decoder would drop a byte order mark and mend what is not UTF-8. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @param value what the accessor gives for `Encoding.UTF8_BYTES`; absent is empty */
export function textOf(value: string | Uint8Array | null, name: string, bytesMax: number): string {
  if (value === null) return ''
  if (typeof value === 'string') throw malformed(`${name} is not bytes`)
  checkLength(value.length, name, bytesMax)
  try {
    return utf8.decode(value)
  } catch (error) {
    throw malformed(`${name} is not UTF-8`, error)
  }
}

/** A vector of texts by the accessor's `(index) => bytes`. */
export function textsOf(
  length: number,
  item: (index: number) => string | Uint8Array | null,
  limits: { readonly name: string; readonly lengthMax: number; readonly bytesMax: number },
): string[] {
  checkLength(length, limits.name, limits.lengthMax)
  return Array.from({ length }, (_, i) => textOf(item(i), limits.name, limits.bytesMax))
}

export function checkLength(length: number, name: string, lengthMax: number): void {
  if (length > lengthMax) throw malformed(`${name} has ${length} items, over ${lengthMax}`)
}

/** A copy: small, and it may be kept for longer than its message. */
export function fixedBytesOf(value: Uint8Array | null, name: string, length: number): Uint8Array {
  if (value?.length !== length) {
    throw malformed(`${name} has ${value?.length ?? 0} bytes instead of ${length}`)
  }
  return value.slice()
}

export function nodeIdFrom(value: Uint8Array | null, name: string): NodeId {
  return nodeIdOf(fixedBytesOf(value, name, publicKeyLengthBytes))
}

export function modelDigestFrom(value: Uint8Array | null, name: string): ModelDigest | null {
  if (value === null) return null
  const bytes = fixedBytesOf(value, name, hashLengthBytes)
  return modelDigestOf(Buffer.from(bytes.buffer).toString('hex'))
}

/** A whole number below 2^53. */
export function safeNumberOf(value: bigint, name: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`${name} is too large`)
  return Number(value)
}

/** A measured quantity or a price: not negative, and such that sums and products stay finite. */
export function quantityOf(value: number, name: string): number {
  const isQuantity = value >= 0 && value <= messageLimits.quantityMax
  if (!isQuantity) throw malformed(`${name} is not a quantity`)
  return value
}
