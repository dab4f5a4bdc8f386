/** All that can be asked for by name: the shipping routing first, then what it is compared with. */
import type { BalancerMaker } from './balancer.ts'
import { composite, latencyOnly } from './baselines/composite.ts'
import { peakEwma, peakEwmaPenalty } from './baselines/peak-ewma.ts'
import { Prequal } from './baselines/prequal.ts'
import { leastConnections, powerOfTwo, randomBalancer, roundRobin } from './baselines/simple.ts'
import { ShippingBalancer } from './shipping.ts'

export const balancers = {
  isochrone: (modules) => new ShippingBalancer(modules),
  random: randomBalancer,
  'round-robin': roundRobin,
  'least-connections': leastConnections,
  'power-of-two': powerOfTwo,
  'peak-ewma': peakEwma,
  'peak-ewma-penalty': peakEwmaPenalty,
  prequal: (modules) => new Prequal(modules),
  composite,
  'latency-only': latencyOnly,
} as const satisfies Readonly<Record<string, BalancerMaker>>

export type BalancerName = keyof typeof balancers
export const balancerNames = Object.keys(balancers) as readonly BalancerName[]
