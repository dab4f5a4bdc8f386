/** What a node tells its gateway every heartbeat. */
import * as wire from '../generated/gateway.js'
import * as layouts from '../generated/layouts.js'
import type { LoadReport } from '../node-record.ts'
import type { SignedNodeRecord } from '../signed-node-record.ts'
import { decodeMessage, safeNumberOf } from './decode.ts'
import { encodeMessage, uint32, uint53 } from './encode.ts'
import { readSignedNodeRecord, writeSignedNodeRecord } from './join.ts'

export interface Report {
  readonly load: LoadReport
  /** null: as it was. */
  readonly record: SignedNodeRecord | null
}

export type ReportAck = Readonly<Record<string, never>>

export function encodeReport({ load, record }: Report): Uint8Array {
  return encodeMessage((to) => {
    const recordOffset = record === null ? 0 : writeSignedNodeRecord(to, record)
    wire.Report.startReport(to)
    wire.Report.addRunning(to, uint32(load.running, 'running'))
    wire.Report.addWaiting(to, uint32(load.waiting, 'waiting'))
    wire.Report.addKvTokensFree(to, uint53(load.kvTokensFree, 'kvTokensFree'))
    wire.Report.addDraining(to, load.draining)
    wire.Report.addRecord(to, recordOffset)
    return wire.Report.endReport(to)
  })
}

export function decodeReport(bytes: Uint8Array): Report {
  return decodeMessage(bytes, layouts.Report, (buffer) => {
    const table = wire.Report.getRootAsReport(buffer)
    const record = table.record()
    return {
      load: {
        running: table.running(),
        waiting: table.waiting(),
        kvTokensFree: safeNumberOf(table.kvTokensFree(), 'report.kv_tokens_free'),
        draining: table.draining(),
      },
      record: record === null ? null : readSignedNodeRecord(record),
    }
  })
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
