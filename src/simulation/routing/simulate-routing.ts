/**
 * One run of one policy: draws the fleet and its requests by the seed, and plays them. The same
 * seed gives each policy the same fleet, the same places and the same requests.
 */
import { seededRandom } from '../../base/index.ts'
import type { LatencyMatrix } from '../network/latency-matrix.ts'
import { drawArrivals } from './arrivals.ts'
import { type BalancerName, balancers } from './balancers.ts'
import { drawFleet, type FleetNode } from './fleet.ts'
import { gatewayId } from './gateway-talk.ts'
import type { AvailabilityTrace } from './inputs/availability-trace.ts'
import type { GpuKind } from './inputs/gpu-table.ts'
import type { RequestTrace } from './inputs/request-trace.ts'
import { LyingGateway } from './lying-gateway.ts'
import { type FaultyPresetName, faultyPresets } from './misbehaviour.ts'
import { model } from './shipping.ts'
import type { RoutingFigures } from './tally.ts'
import { RoutingWorld } from './world.ts'

export interface RoutingRunOptions {
  readonly seed: number
  readonly policy: BalancerName
  readonly load: number
  readonly lengthMs: number
  readonly nodes: number
  readonly gateways: number
  readonly faulty: FaultyPresetName
  readonly inputs: RoutingInputs
}

export interface RoutingInputs {
  readonly trace: RequestTrace
  readonly availability: AvailabilityTrace
  readonly gpus: readonly GpuKind[]
  readonly matrix: LatencyMatrix
}

export interface RoutingRun {
  readonly figures: RoutingFigures
  readonly fleet: readonly FleetNode[]
}

export function simulateRouting(
  options: RoutingRunOptions,
  onSecond: (nowMs: number) => void = () => {},
): RoutingRun {
  const { seed, policy, load, lengthMs, nodes, gateways, inputs } = options
  const { gpus, availability, matrix, trace } = inputs
  const faulty = faultyPresets[options.faulty]
  const fleetOptions = { nodes, lengthMs, faulty, gpus, availability }
  const fleet = drawFleet(fleetOptions, seededRandom(seed * 16 + 1))
  const drawn = { options: { lengthMs, load, gateways }, random: seededRandom(seed * 16 + 2) }
  const arrivals = drawArrivals(trace, fleet, drawn)
  const makeBalancer = balancers[policy]
  const liars = faulty.gatewaysTell ? liarsOf(fleet, faulty.lyingGateways, gateways) : undefined
  const settings = { liars, seed, lengthMs, gateways, matrix, nodes: fleet, arrivals, makeBalancer }
  const world = new RoutingWorld(settings)
  return { figures: world.run(onSecond).figures(), fleet }
}

/** They all say the same: a coalition. */
function liarsOf(
  fleet: readonly FleetNode[],
  count: number,
  gateways: number,
): readonly LyingGateway[] {
  const praised = fleet.filter(({ misbehaviour }) => misbehaviour === 'blackHole')
  const slandered = fleet.filter(({ isSlandered }) => isSlandered)
  const named = (nodes: readonly FleetNode[]) => nodes.map(({ id }) => id)
  return Array.from({ length: count }, (_, i) => {
    const gateway = gatewayId(gateways + i)
    return new LyingGateway({
      ...{ gateway, model, praised: named(praised), slandered: named(slandered) },
    })
  })
}
