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
  /** How many of them were under way when `load` was reported, and so are counted in it already. */
  readonly inFlightAtReport?: number | undefined
  /** Smoothed round trip of the link, ms; undefined: not measured. */
  readonly roundTripMs: number | undefined
  readonly connected: boolean
  /** Its link owes an answer to a probe: it may have halted. */
  readonly overdue: boolean
  readonly integerExact: boolean
  readonly evidence: WorkerEvidence
}

/**
 * Requests at the worker now: others' as reported, and this gateway's own as it knows them. Where
 * it is not known how many of the reported ones are its own, as many as can be are taken to be.
 */
export function occupancyOf(candidate: Candidate): number {
  const { load, inFlight } = candidate
  const reported = load.running + load.waiting
  return inFlight + Math.max(0, reported - (candidate.inFlightAtReport ?? inFlight))
}

/** At least one: a worker that states nonsense must not divide by zero. */
export function slotsOf(candidate: Candidate): number {
  return Math.max(1, candidate.offer?.slots ?? 1)
}
