/** A worker as routing sees it: a snapshot, assembled by the gateway for one decision. */
import type { WorkerEvidence } from '../evidence/index.ts'
import type { LoadReport, OfferedModel, WorkerId } from '../protocol/index.ts'

export interface Candidate {
  readonly id: WorkerId
  readonly region: string
  /** The offer for the request's model; null: it offers other models only. */
  readonly offer: OfferedModel | null
  readonly load: LoadReport
  /** Requests that this gateway has under way there: newer than any report. */
  readonly inFlight: number
  /** Smoothed round trip of the link, ms; undefined: not measured. */
  readonly roundTripMs: number | undefined
  readonly connected: boolean
  readonly integerExact: boolean
  readonly evidence: WorkerEvidence
}
