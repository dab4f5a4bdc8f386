/**
 * simulation: the mesh's own state machines on a simulated network, by seed: thousands of nodes on
 * a matrix of round trips, with loss, partitions, pauses, crashes and churn; checkers throughout.
 */
export type { Actor, ActorInput, ActorOutputs } from './actor.ts'
export {
  type LatencyMatrix,
  matrixLimits,
  readLatencyMatrix,
} from './network/latency-matrix.ts'
export { type LinkOptions, Links } from './network/links.ts'
export { Placement } from './network/placement.ts'
export { World, type WorldOptions } from './world.ts'
