/**
 * What is seen of a worker besides requests: that it was there, that it went, that it broke the
 * rules. Rare: a few for each session.
 */
import type { ErrorCode, WorkerId } from '../protocol/index.ts'

export const sightingKinds = [
  /** It was there, and still is. */
  'present',
  /** It was there, and said that it goes; or this gateway itself went. */
  'left',
  /** It was there, and went without a word. */
  'lost',
  /** It sent what nobody may send. */
  'fault',
] as const
export type SightingKind = (typeof sightingKinds)[number]

export interface Sighting {
  readonly worker: WorkerId
  readonly kind: SightingKind
  /** It was there since then, and nothing else has said so yet; `atMs` where it is a fault. */
  readonly fromMs: number
  readonly atMs: number
}

/** Where sightings are kept. What `flush` has resolved for survives a restart. */
export interface SightingStore {
  append(sighting: Sighting): void
  flush(): Promise<void>
  /** Oldest first; what waits for the disk is not among them. */
  since(atMs: number): Iterable<Sighting>
}

/** Codes of answers that broke the rules, whatever else they were. */
export const uncleanCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'invalid_signature',
  'envelope_replayed',
  'envelope_expired',
  'identity_mismatch',
  'peer_unauthenticated',
  'malformed_message',
  'message_too_large',
])
