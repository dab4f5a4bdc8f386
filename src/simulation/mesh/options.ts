/** What a simulated mesh is made of. Plain data: a thread can be given it. */
import type { FaultRates } from '../faults.ts'
import type { LatencyMatrix } from '../network/latency-matrix.ts'

export interface MeshRunOptions {
  readonly seed: number
  readonly nodes: number
  /** How many of the nodes are gateways. */
  readonly gateways: number
  readonly lengthMs: number
  readonly matrix: LatencyMatrix
  readonly faults: FaultRates
  /** Share of messages lost. */
  readonly loss: number
  /** Mean jitter as a share of the way. */
  readonly jitterShare: number
  /** Of clusters: the 95th percentile of round trips between members. */
  readonly boundMs: number
}

/** The hosts' wall clock when a run begins. Fixed, so that a run replays. */
export const wallStartMs = 1_700_000_000_000
