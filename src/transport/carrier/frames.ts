/**
 * The frames of a carrier: what many calls say on one stream.
 *
 * A message of the carrier's stream holds whole frames, one after the other: a byte of kind, six
 * bytes of the call's id and four of a number, big-endian. For frames with a payload the number is
 * its length; for the others it is what the kind says. Every frame is checked to lie within its
 * message before anything is made of it.
 */
import { IsochroneError } from '../../protocol/index.ts'
import { checkMetadata } from '../metadata.ts'
import type { Metadata } from '../transport.ts'
import { carrierLimits } from './limits.ts'

/** Ids that never run out, so that none is ever used twice: 48 bits are 8,900 years of calls. */
export const callIdMax = 2 ** 48 - 1

export const frameKinds = {
  /** Payload: the metadata. Ids grow. */
  open: 1,
  /** Payload: a message, or the last piece of one. */
  message: 2,
  /** Payload: a piece of a message, with more to come. */
  piece: 3,
  /** The opener sends no more. */
  end: 4,
  /** Payload: the acceptor's last word. */
  trailers: 5,
  /** The call is given up; number: a reset code. */
  reset: 6,
  /** Number: what may be sent besides; id 0: by all calls together. */
  credit: 7,
} as const

export const resetCodes = { cancelled: 0, refused: 1 } as const

export interface FrameReader {
  onOpen(id: number, metadata: Metadata): void
  onMessage(id: number, bytes: Uint8Array, isLast: boolean): void
  onEnd(id: number): void
  onTrailers(id: number, trailers: Metadata): void
  onReset(id: number, code: number): void
  onCredit(id: number, cost: number): void
}

const idBytes = 6
const numberAt = 1 + idBytes
export const frameHeadBytes = numberAt + 4
const bufferBytesFirst = 16 * 1024
/** After a flood, what is larger than this is given back. */
const bufferBytesKept = 512 * 1024

/** Frames that go out together, in messages of at most `batchBytesMax`. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafeSlow(bufferBytesFirst)
  #length = 0
  #taken = 0
  /** Where messages end that cannot take another frame. */
  #cuts: number[] = []
  #lastCut = 0

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#length - this.#taken
  }

  plain(kind: number, id: number, number: number): void {
    this.#reserve(frameHeadBytes)
    this.#head(kind, id, number)
  }

  bytes(kind: number, id: number, payload: Uint8Array): void {
    this.#reserve(frameHeadBytes + payload.length)
    this.#head(kind, id, payload.length)
    this.#buffer.set(payload, this.#length)
    this.#length += payload.length
  }

  metadata(kind: number, id: number, metadata: Metadata): void {
    const text = metadataText(metadata)
    this.#reserve(frameHeadBytes + text.length)
    this.#head(kind, id, text.length)
    this.#length += this.#buffer.write(text, this.#length, 'latin1')
  }

  /** The next message; its memory is used again with the next frame. */
  take(): Uint8Array {
    const end = this.#cuts.shift() ?? this.#length
    const message = this.#buffer.subarray(this.#taken, end)
    this.#taken = end
    if (end === this.#length) {
      this.#length = 0
      this.#taken = 0
      this.#lastCut = 0
      const isLarge = this.#buffer.length > bufferBytesKept
      if (isLarge) this.#buffer = Buffer.allocUnsafeSlow(bufferBytesFirst)
    }
    return message
  }

  #head(kind: number, id: number, number: number): void {
    const buffer = this.#buffer
    const at = this.#length
    buffer[at] = kind
    buffer.writeUIntBE(id, at + 1, idBytes)
    this.#length = buffer.writeUInt32BE(number, at + numberAt)
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed - this.#lastCut > carrierLimits.batchBytesMax && this.#length > this.#taken) {
      this.#cuts.push(this.#length)
      this.#lastCut = this.#length
    }
    if (needed > this.#buffer.length) this.#makeRoom(bytes)
  }

  /** Senders that always have more leave something waiting: what was taken is used again. */
  #makeRoom(bytes: number): void {
    const taken = this.#taken
    const needed = this.#length - taken + bytes
    const { length } = this.#buffer
    const target =
      2 * needed <= length ? this.#buffer : Buffer.allocUnsafeSlow(Math.max(needed, 2 * length))
    this.#buffer.copy(target, 0, taken, this.#length)
    this.#buffer = target
    this.#length -= taken
    this.#lastCut -= taken
    this.#cuts = this.#cuts.map((cut) => cut - taken)
    this.#taken = 0
  }
}

/**
 * Tells `reader` every frame of a message. Payloads are views of it.
 * @throws IsochroneError `malformed_message`
 */
export function readFrames(message: Uint8Array, reader: FrameReader): void {
  const buffer = Buffer.from(message.buffer, message.byteOffset, message.length)
  let at = 0
  while (at < buffer.length) {
    if (buffer.length - at < frameHeadBytes) throw broken('a frame is cut off')
    const kind = buffer[at] ?? 0
    const id = buffer.readUIntBE(at + 1, idBytes)
    const number = buffer.readUInt32BE(at + numberAt)
    at += frameHeadBytes
    const length = hasPayload(kind) ? number : 0
    if (length > buffer.length - at) throw broken('a frame is longer than its message')
    readFrame(reader, { kind, id, number }, buffer.subarray(at, at + length))
    at += length
  }
}

/** A peer that sends this is none to go on with. */
export function broken(what: string): IsochroneError {
  return new IsochroneError('malformed_message', `the peer’s frames are broken: ${what}`)
}

interface FrameHead {
  readonly kind: number
  readonly id: number
  readonly number: number
}

function readFrame(reader: FrameReader, head: FrameHead, payload: Buffer): void {
  const { kind, id, number } = head
  switch (kind) {
    case frameKinds.open:
      reader.onOpen(id, metadataOf(payload))
      break
    case frameKinds.message:
      reader.onMessage(id, payload, true)
      break
    case frameKinds.piece:
      reader.onMessage(id, payload, false)
      break
    case frameKinds.end:
      reader.onEnd(id)
      break
    case frameKinds.trailers:
      reader.onTrailers(id, metadataOf(payload))
      break
    case frameKinds.reset:
      reader.onReset(id, number)
      break
    case frameKinds.credit:
      reader.onCredit(id, number)
      break
    default:
      throw broken(`there is no kind ${kind}`)
  }
}

function hasPayload(kind: number): boolean {
  return kind <= frameKinds.piece || kind === frameKinds.trailers
}

/** Keys and values are printable ASCII, so that a zero can stand between them. */
function metadataText(metadata: Metadata): string {
  let text = ''
  for (const key in metadata) text += `${key}\0${metadata[key] ?? ''}\0`
  return text
}

function metadataOf(payload: Buffer): Metadata {
  const parts = payload.toString('latin1').split('\0')
  if (parts.length % 2 !== 1 || parts.at(-1) !== '') throw broken('metadata without its end')
  const metadata: Record<string, string> = {}
  for (let i = 0; i + 1 < parts.length; i += 2) metadata[parts[i] ?? ''] = parts[i + 1] ?? ''
  checkMetadata(metadata)
  return metadata
}
