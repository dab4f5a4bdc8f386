/**
 * In which state a node is shown. Its own connection says most: what it answers there it is alive
 * to do, and who says goodbye there has left. Then its cluster's word, then silence.
 */
import type { MemberState, NodeState } from '../../mesh/index.ts'
import type { KnownWorker } from './registry.ts'

/** What others say of it. */
export interface MeshHearsay {
  /** By digests; `ageMs` since it said something itself. */
  readonly viewed:
    | {
        readonly state: NodeState
        readonly cluster: string | null
        readonly ageMs: number | null
      }
    | undefined
  /** By this gateway's own cluster. */
  readonly member: MemberState | undefined
  /** This gateway's cluster. */
  readonly home: string | undefined
}

/** What a node says is in digests within this; what comes later it has said later. */
const digestLagMs = 3_000
/** A cluster knows of a crash within this: whoever is seen by nobody by then is dead. */
const deadAfterMs = 8_000

/** By others alone. */
export function hearsay({ viewed, member, home }: MeshHearsay): NodeState | undefined {
  // Who leaves a cluster for another one has not left.
  const hasMoved =
    (member === 'left' || member === 'dead') && viewed?.state === 'alive' && viewed.cluster !== home
  return hasMoved ? 'alive' : (member ?? viewed?.state)
}

/** Of a node that is or was connected here. */
export function workerState(
  { foreseen, goneSinceMs, view }: Pick<KnownWorker, 'foreseen' | 'goneSinceMs' | 'view'>,
  others: MeshHearsay,
  nowMs: number,
): NodeState {
  const { connected, load, overdue } = view
  const heard = hearsay(others)
  if (connected) {
    const { verdict } = foreseen ?? {}
    if (verdict === 'dead' && (heard === 'dead' || heard === 'left')) return heard
    if (verdict !== undefined && (heard === 'dead' || heard === 'suspect')) return 'suspect'
    return overdue ? 'late' : 'alive'
  }
  const goneMs = goneSinceMs === undefined ? Number.POSITIVE_INFINITY : nowMs - goneSinceMs
  const { viewed, member } = others
  // Gone from here it may still be well elsewhere.
  const isSeen = viewed !== undefined && (viewed.ageMs ?? 0) + digestLagMs < goneMs
  if (isSeen && heard !== undefined && heard !== 'late') return heard
  if (load.draining && !isSeen) return 'left'
  if (heard === 'left' || heard === 'dead') return heard
  const silentMs = viewed?.ageMs ?? goneMs
  if (silentMs < deadAfterMs) return heard === 'suspect' ? 'suspect' : 'late'
  return member ?? 'dead'
}
