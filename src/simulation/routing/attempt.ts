/** A request on its way through a gateway, and one try at it. */

import type { ErrorCode } from '../../protocol/index.ts'
import type { Arrival } from './arrivals.ts'
import type { Ask, Balancer, EndedAttempt, Sight } from './balancer.ts'
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

/** What its gateway saw of it. */
export function endedAttempt(
  attempt: Attempt,
  code: ErrorCode | null,
  nowMs: number,
): EndedAttempt {
  const { journey, node, startedAtMs, firstAtMs, inFlight, promptTokens } = attempt
  const further = attempt.completionTokens - 1
  const isMeasured = code === null && firstAtMs !== null && further >= 1
  return {
    ticket: journey.ask.ticket,
    node: node.index,
    kind: code === null ? 'completed' : 'failed',
    code,
    isMidStream: code !== null && firstAtMs !== null,
    startedAtMs,
    ttftMs: firstAtMs === null ? null : firstAtMs - startedAtMs,
    tpotMs: isMeasured ? (nowMs - firstAtMs) / further : null,
    promptTokens,
    tokens: code === null ? attempt.completionTokens : 0,
    inFlight,
  }
}
