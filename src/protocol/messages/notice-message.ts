/** Notices of gateways, as a part of a packet. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import type { SealedExperience } from '../experience.ts'
import * as wireExperience from '../generated/experience.js'
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

export function writeNoticeMessage(to: Builder, message: NoticeMessage): Offset {
  const { asks, experience, held, told } = message
  const { NoticeMessage: Table } = wire
  const notices = told.map((notice) => writeNotice(to, notice))
  const toldAt = notices.length === 0 ? 0 : Table.createToldVector(to, notices)
  const heldAt = held.length === 0 ? 0 : to.createByteVector(Buffer.from(held.join(''), 'hex'))
  const experienceAt = experience === null ? 0 : writeExperience(to, experience)
  Table.startNoticeMessage(to)
  Table.addTold(to, toldAt)
  Table.addHeld(to, heldAt)
  Table.addAsks(to, asks)
  Table.addExperience(to, experienceAt)
  return Table.endNoticeMessage(to)
}

export function readNoticeMessage(table: wire.NoticeMessage): NoticeMessage {
  const length = table.toldLength()
  checkLength(length, 'notices.told', messageLimits.noticesPerMessageMax)
  const experience = table.experience()
  return {
    told: Array.from({ length }, (_, i) => readNotice(table.told(i))),
    held: readMarks(table.heldArray()),
    asks: table.asks(),
    experience: experience === null ? null : readExperience(experience),
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

function writeExperience(to: Builder, { bytes, signature }: SealedExperience): Offset {
  const bytesAt = to.createByteVector(bytes)
  const signatureAt = to.createByteVector(signature)
  wireExperience.SealedExperience.startSealedExperience(to)
  wireExperience.SealedExperience.addExperience(to, bytesAt)
  wireExperience.SealedExperience.addSignature(to, signatureAt)
  return wireExperience.SealedExperience.endSealedExperience(to)
}

/** Not even decoded: first somebody has to want to know. */
function readExperience(table: wireExperience.SealedExperience): SealedExperience {
  const bytes = table.experienceArray() ?? new Uint8Array(0)
  checkLength(bytes.length, 'notices.experience', messageLimits.experienceBytesMax)
  const name = 'notices.experience.signature'
  const signature = fixedBytesOf(table.signatureArray(), name, signatureLengthBytes)
  return { bytes: bytes.slice(), signature }
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
