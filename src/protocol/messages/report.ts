/** What a node tells its gateway every heartbeat. */
import type { Builder, Offset } from 'flatbuffers'
import * as wire from '../generated/gateway.js'
import * as layouts from '../generated/layouts.js'
import { publicKeyOf } from '../ids.ts'
import type { LinkReport, LoadReport } from '../node-record.ts'
import type { SignedNodeRecord } from '../signed-node-record.ts'
import { checkLength, decodeMessage, nodeIdFrom, quantityOf, safeNumberOf } from './decode.ts'
import { encodeMessage, uint32, uint53 } from './encode.ts'
import { readSignedNodeRecord, writeSignedNodeRecord } from './join.ts'
import { messageLimits } from './limits.ts'
import { malformed } from './verify-buffer.ts'

export interface Report {
  readonly load: LoadReport
  /** null: as it was. */
  readonly record: SignedNodeRecord | null
  /** Ways to other members, now and then. */
  readonly links: readonly LinkReport[]
}

export type ReportAck = Readonly<Record<string, never>>

export function encodeReport({ load, record, links }: Report): Uint8Array {
  return encodeMessage((to) => {
    const recordOffset = record === null ? 0 : writeSignedNodeRecord(to, record)
    // Most reports have none, and then not even an empty list.
    const linksOffset =
      links.length === 0
        ? 0
        : wire.Report.createLinksVector(
            to,
            links.map((link) => writeLink(to, link)),
          )
    wire.Report.startReport(to)
    wire.Report.addRunning(to, uint32(load.running, 'running'))
    wire.Report.addWaiting(to, uint32(load.waiting, 'waiting'))
    wire.Report.addKvTokensFree(to, uint53(load.kvTokensFree, 'kvTokensFree'))
    wire.Report.addDraining(to, load.draining)
    if (load.promptTokensUnread !== undefined) {
      const unread = uint53(load.promptTokensUnread + 1, 'promptTokensUnread')
      wire.Report.addPromptTokensUnread(to, unread)
    }
    wire.Report.addRecord(to, recordOffset)
    wire.Report.addLinks(to, linksOffset)
    return wire.Report.endReport(to)
  })
}

export function decodeReport(bytes: Uint8Array): Report {
  return decodeMessage(bytes, layouts.Report, (buffer) => {
    const table = wire.Report.getRootAsReport(buffer)
    const record = table.record()
    checkLength(table.linksLength(), 'report.links', messageLimits.linksPerReportMax)
    return {
      load: {
        running: table.running(),
        waiting: table.waiting(),
        kvTokensFree: safeNumberOf(table.kvTokensFree(), 'report.kv_tokens_free'),
        ...unreadOf(table.promptTokensUnread()),
        draining: table.draining(),
      },
      record: record === null ? null : readSignedNodeRecord(record),
      links: Array.from({ length: table.linksLength() }, (_, i) => readLink(table.links(i))),
    }
  })
}

/** One more than it says, since an absent field reads as 0. */
function unreadOf(field: bigint): Pick<LoadReport, 'promptTokensUnread'> {
  if (field === 0n) return {}
  return { promptTokensUnread: safeNumberOf(field, 'report.prompt_tokens_unread') - 1 }
}

function writeLink(to: Builder, link: LinkReport): Offset {
  const peer = to.createByteVector(publicKeyOf(link.peer))
  wire.LinkReport.startLinkReport(to)
  wire.LinkReport.addPeer(to, peer)
  wire.LinkReport.addMedianMs(to, link.medianMs)
  wire.LinkReport.addP95Ms(to, link.p95Ms)
  wire.LinkReport.addJitterMs(to, link.jitterMs)
  wire.LinkReport.addLoss(to, link.loss)
  return wire.LinkReport.endLinkReport(to)
}

function readLink(table: wire.LinkReport | null): LinkReport {
  if (table === null) throw malformed('a link is missing')
  return {
    peer: nodeIdFrom(table.peerArray(), 'link.peer'),
    medianMs: quantityOf(table.medianMs(), 'link.median_ms'),
    p95Ms: quantityOf(table.p95Ms(), 'link.p95_ms'),
    jitterMs: quantityOf(table.jitterMs(), 'link.jitter_ms'),
    loss: quantityOf(table.loss(), 'link.loss'),
  }
}

export function encodeReportAck(_ack: ReportAck = {}): Uint8Array {
  return encodeMessage((to) => {
    wire.ReportAck.startReportAck(to)
    return wire.ReportAck.endReportAck(to)
  })
}

export function decodeReportAck(bytes: Uint8Array): ReportAck {
  return decodeMessage(bytes, layouts.ReportAck, () => ({}))
}
