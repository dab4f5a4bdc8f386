/**
 * simulation: the mesh's own state machines on a simulated network, by seed: thousands of nodes on
 * a matrix of round trips, with loss, partitions, pauses, crashes and churn; checkers throughout.
 */
export type { Actor, ActorInput, ActorOutputs } from './actor.ts'
export { type Fault, type FaultPreset, type FaultRates, faultPresets } from './faults.ts'
export { checkStatement, sealStatement } from './mesh/claim-seals.ts'
export type { CheckerResult, MeshRunResult, MinuteRow } from './mesh/monitor.ts'
export type { MeshRunOptions } from './mesh/options.ts'
export { type MeshRunModules, simulateMesh } from './mesh/simulate-mesh.ts'
export {
  type LatencyMatrix,
  matrixLimits,
  readLatencyMatrix,
} from './network/latency-matrix.ts'
export { type LinkOptions, Links } from './network/links.ts'
export { Placement } from './network/placement.ts'
export { CheapSeal } from './seal.ts'
export { World, type WorldOptions } from './world.ts'
