/**
 * What gateways say to each other for good: texts that are signed, and marks by which they know
 * what the other has. What a text means is for whoever reads it.
 */
import { createHash } from 'node:crypto'
import type { SealedExperience } from './experience.ts'

export interface SaidNotice {
  readonly text: string
  /** 64 bytes; over what is for its reader to say. */
  readonly signature: Uint8Array
}

/** 16 hexadecimal digits. */
export type NoticeMark = string

export interface NoticeMessage {
  /** Of its sender. */
  readonly told: readonly SaidNotice[]
  /** What its sender holds of the receiver's. */
  readonly held: readonly NoticeMark[]
  /** For what is not among them. */
  readonly asks: boolean
  /** What it has seen of nodes lately. */
  readonly experience: SealedExperience | null
}

export const noticeMarkBytes = 8

/** One that looks like another's is of no use: each gateway's marks stand by themselves. */
export function noticeMarkOf(text: string): NoticeMark {
  return createHash('sha256')
    .update(text)
    .digest('hex')
    .slice(0, 2 * noticeMarkBytes)
}
