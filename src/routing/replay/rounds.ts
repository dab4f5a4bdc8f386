/** What one deciding rested on, besides the request. */
import type { WorkerId } from '../../protocol/index.ts'
import type { Round } from '../decision.ts'
import type { Demand } from '../prediction.ts'
import type { Draws } from './draws.ts'
import type { ViewReference } from './view-log.ts'

export interface DecidedOn {
  /** ms since 1970. */
  readonly now: number
  readonly view?: ViewReference | null
}

const noNames: readonly WorkerId[] = Object.freeze([])

export function roundOf({ now, view = null }: DecidedOn, demand: Demand, draws: Draws): Round {
  const { continuation } = demand
  const tried = demand.tried.size === 0 ? noNames : ([...demand.tried] as WorkerId[])
  return { atMs: now, view, draws, tried, continuation }
}
