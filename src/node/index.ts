/**
 * node: the worker. Measures its machine, joins gateways with a signed record, and serves what
 * they ask of its engine.
 */
export { type GatewayAddress, parseGatewayAddress } from './gateway-address.ts'
export type { KnownGateways } from './gateway-link.ts'
export { type NodeLimits, nodeLimits } from './limits.ts'
export { type MeasuredSpeed, notMeasured } from './measure/benchmark.ts'
export { detectHardware } from './measure/hardware.ts'
export {
  type MachineFindings,
  type MachineProbes,
  measureMachine,
  measureSpeeds,
} from './measure/measure.ts'
export { createNode, type IsochroneNode, type NodeModules, type NodeOptions } from './node.ts'
