/** A request on its way through a gateway, and one try at it. */
import type { Arrival } from './arrivals.ts'
import type { Ask, Balancer, Sight } from './balancer.ts'
import type { Job } from './engine.ts'
import type { SimNode } from './sim-node.ts'

/** An objective that a client would set, by the size of its prompt. */
export function objectiveOf(promptTokens: number): { ttftMs: number; tpotMs: number } {
  return { ttftMs: 1_000 + 1.5 * promptTokens, tpotMs: 100 }
}

export interface Gateway {
  readonly host: number
  readonly sights: Sight[]
  /** Of which process a node's connection is. */
  readonly lives: number[]
  readonly balancer: Balancer
  readonly underWay: Set<Attempt>[]
}

export interface Journey {
  readonly gateway: Gateway
  readonly ask: Ask
  readonly arrival: Arrival
  readonly tried: number[]
  firstAtMs: number | null
  tokens: number
}

export interface Attempt {
  readonly journey: Journey
  readonly node: SimNode
  readonly startedAtMs: number
  readonly inFlight: number
  readonly promptTokens: number
  readonly completionTokens: number
  job: Job | undefined
  firstAtMs: number | null
  isOver: boolean
}
