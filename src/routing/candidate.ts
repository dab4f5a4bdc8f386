/** A worker as routing sees it: a snapshot, assembled by the gateway for one decision. */
import type { BreakerSight, Standing, WorkerEvidence } from '../evidence/index.ts'
import type { LoadReport, OfferedModel, WorkerId } from '../protocol/index.ts'

/** Where a round trip is taken from, the best first. */
export const roundTripSources = [
  /** Probes of the link, or of the mesh. */
  'measured',
  /** The coordinates of both ends. */
  'predicted',
  /** The latency map, between the declared locations. */
  'map',
  /** What is usual of the links to its declared region. */
  'region',
  /** The policy: nothing is known. */
  'assumed',
] as const
export type RoundTripSource = (typeof roundTripSources)[number]

export interface Candidate {
  readonly id: WorkerId
  readonly region: string
  /** The offer for the request's model; null: it offers other models only. */
  readonly offer: OfferedModel | null
  readonly load: LoadReport
  /** Requests that this gateway has under way there: newer than any report. */
  readonly inFlight: number
  /**
   * Requests that others have there now, as they are foreseen: parts of one are a likelihood.
   * undefined: nobody foresees it, and `load` stands.
   */
  readonly others: number | undefined
  /** Likewise, tokens of its cache that are free; undefined: unknown. */
  readonly kvTokensFree: number | undefined
  /**
   * Tokens of prompts there that are not read yet, as they are foreseen: a new prompt waits for
   * these. undefined: nobody says so, and they are taken from the number of requests.
   */
  readonly promptTokensAhead: number | undefined
  /** Smoothed round trip of the link, ms; undefined: nothing is known of it. */
  readonly roundTripMs: number | undefined
  readonly roundTripSource: RoundTripSource
  readonly connected: boolean
  /** Its link owes an answer to a probe: it may have halted. */
  readonly overdue: boolean
  /** What the mesh holds of it, where its link says nothing newer; undefined: that it lives. */
  readonly verdict: 'suspect' | 'dead' | undefined
  /** What stands against it; undefined: nothing. */
  readonly standing?: Standing | undefined
  /** undefined: closed. */
  readonly breaker?: BreakerSight | undefined
  readonly integerExact: boolean
  /** Of the policy, by what it states of its machine. */
  readonly hardwareClass: string
  /** What it states of its machine, for people; empty: nothing. */
  readonly machine: string
  /** That the model runs in, as it states; undefined: it states nothing of its machine. */
  readonly memoryBytes: number | undefined
  readonly evidence: WorkerEvidence
}

/**
 * Requests at the worker now: others' as foreseen, and this gateway's own as it knows them. Where
 * nothing is foreseen, as many of the reported ones as can be are taken to be its own.
 */
export function occupancyOf({ load, inFlight, others }: Candidate): number {
  return inFlight + (others ?? Math.max(0, load.running + load.waiting - inFlight))
}

/** The same in whole requests, for what counts slots. */
export function presentOf(candidate: Candidate): number {
  return Math.round(occupancyOf(candidate))
}

/** At least one: a worker that states nonsense must not divide by zero. */
export function slotsOf(candidate: Candidate): number {
  return Math.max(1, candidate.offer?.slots ?? 1)
}
