/** Notices of gateways, as a part of a packet. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import * as wire from '../generated/mesh.js'
import { signatureLengthBytes } from '../identity.ts'
import {
  type NoticeMark,
  type NoticeMessage,
  noticeMarkBytes,
  type SaidNotice,
} from '../notices.ts'
import { checkLength, fixedBytesOf, textOf } from './decode.ts'
import { writeText } from './encode.ts'
import { messageLimits } from './limits.ts'
import { malformed } from './verify-buffer.ts'

export function writeNoticeMessage(to: Builder, { asks, held, told }: NoticeMessage): Offset {
  const { NoticeMessage: Table } = wire
  const notices = told.map((notice) => writeNotice(to, notice))
  const toldAt = notices.length === 0 ? 0 : Table.createToldVector(to, notices)
  const heldAt = held.length === 0 ? 0 : to.createByteVector(Buffer.from(held.join(''), 'hex'))
  Table.startNoticeMessage(to)
  Table.addTold(to, toldAt)
  Table.addHeld(to, heldAt)
  Table.addAsks(to, asks)
  return Table.endNoticeMessage(to)
}

export function readNoticeMessage(table: wire.NoticeMessage): NoticeMessage {
  const length = table.toldLength()
  checkLength(length, 'notices.told', messageLimits.noticesPerMessageMax)
  return {
    told: Array.from({ length }, (_, i) => readNotice(table.told(i))),
    held: readMarks(table.heldArray()),
    asks: table.asks(),
  }
}

function writeNotice(to: Builder, { signature, text }: SaidNotice): Offset {
  const signatureAt = to.createByteVector(signature)
  const textAt = writeText(to, text)
  wire.Notice.startNotice(to)
  wire.Notice.addText(to, textAt)
  wire.Notice.addSignature(to, signatureAt)
  return wire.Notice.endNotice(to)
}

/** Not yet verified. */
function readNotice(table: wire.Notice | null): SaidNotice {
  if (table === null) throw malformed('a notice is not there')
  const { noticeBytesMax } = messageLimits
  return {
    text: textOf(table.text(Encoding.UTF8_BYTES), 'notice.text', noticeBytesMax),
    signature: fixedBytesOf(table.signatureArray(), 'notice.signature', signatureLengthBytes),
  }
}

function readMarks(bytes: Uint8Array | null): NoticeMark[] {
  if (bytes === null) return []
  checkLength(bytes.length, 'notices.held', messageLimits.noticesHeldMax * noticeMarkBytes)
  if (bytes.length % noticeMarkBytes !== 0) throw malformed('notices.held is no row of marks')
  const hex = Buffer.from(bytes).toString('hex')
  const digits = 2 * noticeMarkBytes
  return Array.from({ length: hex.length / digits }, (_, i) =>
    hex.slice(i * digits, (i + 1) * digits),
  )
}
