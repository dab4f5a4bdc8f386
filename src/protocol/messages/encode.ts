/**
 * Writing messages: one builder for all of them, whose bytes are copied out.
 *
 * Values out of range are this program's own mistakes, so they are asserted.
 */
import { Builder, type Offset } from 'flatbuffers'
import { assert, pooledCopy } from '../../base/index.ts'
import { IsochroneError } from '../errors.ts'
import { messageLimits } from './limits.ts'

/** Most messages are below this; a builder that grew for a larger one is not kept. */
const builderBytesKept = 64 * 1024
const builderBytesFirst = 1024
let builder = new Builder(builderBytesFirst)

/**
 * The bytes of the message whose root `write` returns, in memory that nobody else writes to.
 * @throws IsochroneError `message_too_large`
 */
export function encodeMessage(write: (builder: Builder) => Offset): Uint8Array {
  // First, not last: the previous message may have been given up in the middle.
  builder.clear()
  builder.finish(write(builder))
  const bytes = pooledCopy(builder.asUint8Array())
  if (builder.dataBuffer().capacity() > builderBytesKept) builder = new Builder(builderBytesFirst)
  checkMessageBytes(bytes.length)
  return bytes
}

export function checkMessageBytes(length: number): void {
  if (length <= messageLimits.messageBytesMax) return
  throw new IsochroneError(
    'message_too_large',
    `a message of ${length} bytes is over the limit of ${messageLimits.messageBytesMax} bytes`,
    { detail: { bytes: length, bytesMax: messageLimits.messageBytesMax } },
  )
}

export function uint32(value: number, name: string): number {
  const fits = Number.isInteger(value) && value >= 0 && value <= 0xffffffff
  if (!fits) assert(false, `${name} is not a uint32`)
  return value
}

export function uint53(value: number, name: string): bigint {
  const fits = Number.isSafeInteger(value) && value >= 0
  if (!fits) assert(false, `${name} is not a whole number below 2^53`)
  return BigInt(value)
}

/** 0 stands for an absent field. */
export function textOffset(to: Builder, text: string): Offset {
  return text === '' ? 0 : writeText(to, text)
}

export function textOffsets(to: Builder, texts: readonly string[]): Offset[] {
  return texts.map((text) => writeText(to, text))
}

/** As UTF-8; the builder's own encoder makes memory outside of V8's heap for every text. */
export function writeText(to: Builder, text: string): Offset {
  return to.createString(Buffer.from(text))
}
