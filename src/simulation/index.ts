/**
 * simulation: the mesh's own state machines on a simulated network, by seed: thousands of nodes on
 * a matrix of round trips, with loss, partitions, pauses, crashes and churn; checkers throughout.
 * And routing's decisions over simulated nodes, beside other ways to choose.
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
export { type BalancerName, balancerNames } from './routing/balancers.ts'
export {
  type AvailabilityTrace,
  readAvailabilityTrace,
} from './routing/inputs/availability-trace.ts'
export { type GpuKind, readGpuTable } from './routing/inputs/gpu-table.ts'
export { type RequestTrace, readRequestTrace } from './routing/inputs/request-trace.ts'
export {
  standInAvailability,
  standInGpus,
  standInLatency,
  standInTrace,
} from './routing/inputs/stand-ins.ts'
export { type FaultyPresetName, faultyPresets } from './routing/misbehaviour.ts'
export {
  type RoutingInputs,
  type RoutingRun,
  type RoutingRunOptions,
  simulateRouting,
} from './routing/simulate-routing.ts'
export type { RoutingFigures } from './routing/tally.ts'
export { CheapSeal } from './seal.ts'
export { World, type WorldOptions } from './world.ts'
