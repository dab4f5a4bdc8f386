/**
 * The gates that nearly every request asks, read from columns: whether a candidate passes all of
 * them, many times as fast as by asking one after the other. Who does not pass is asked by the
 * gates themselves, which say what was required and what was found; the two agree, and a test holds
 * it.
 */
import { outlook, outlooksPerRow, time, timesPerRow } from '../layout.ts'
import { type Pool, sourceOf } from '../pool.ts'
import { bounded, type Demand } from '../prediction.ts'
import { bars, featureBits } from '../table.ts'
import { aliveGate } from './alive.ts'
import { answeringGate } from './answering.ts'
import { backOffGate } from './back-off.ts'
import { breakerGate } from './breaker.ts'
import { buildGate } from './build.ts'
import { connectedGate } from './connected.ts'
import { contextGate, requiredTokens } from './context.ts'
import { drainingGate } from './draining.ts'
import { featuresGate } from './features.ts'
import type { Gate } from './gate.ts'
import { hardwareGate } from './hardware.ts'
import { latencyGate } from './latency.ts'
import { latencyAtLoadGate, latestTtftMs } from './latency-at-load.ts'
import { memoryGate, neededBytes } from './memory.ts'
import { modelGate } from './model.ts'
import { slotsGate } from './slots.ts'
import { standingGate } from './standing.ts'
import { statementGate } from './statement.ts'
import { throughputGate } from './throughput.ts'
import { tierPriceGate } from './tier-price.ts'
import { unsuspectedGate } from './unsuspected.ts'

export const columnGates: ReadonlySet<Gate> = new Set([
  modelGate,
  connectedGate,
  aliveGate,
  standingGate,
  featuresGate,
  contextGate,
  drainingGate,
  answeringGate,
  unsuspectedGate,
  breakerGate,
  backOffGate,
  statementGate,
  latencyGate,
  latencyAtLoadGate,
  slotsGate,
  hardwareGate,
  buildGate,
  memoryGate,
  throughputGate,
  tierPriceGate,
])

/** Whoever passes those that ask for no predicted time; rows stay in their order. */
export function passStates(pool: Pool): void {
  const { table, demand } = sourceOf(pool)
  const { size, barred, contextMax, memoryBytes } = table
  const { rows } = pool
  const asked = barsAsked(demand)
  const tokens = requiredTokens(demand)
  const bytes = neededBytes(demand)
  let passed = 0
  for (let row = 0; row < size; row += 1) {
    if (((barred[row] as number) & asked) !== 0) continue
    if ((contextMax[row] as number) < tokens) continue
    if (bytes > 0 && (memoryBytes[row] as number) < bytes) continue
    rows[passed] = row
    passed += 1
  }
  pool.size = passed
}

function barsAsked(demand: Demand): number {
  const { avoidsOverdue, avoidsSuspects, avoidsBroken, avoidsOverstated } = demand
  let asked = bars.unoffered | bars.disconnected | bars.draining | bars.dead | bars.condemned
  asked |= bars.waiting | bars.full
  if (avoidsOverdue) asked |= bars.overdue
  if (avoidsSuspects) asked |= bars.suspect
  if (avoidsBroken) asked |= bars.broken
  if (avoidsOverstated) asked |= bars.overstated
  if (demand.tier !== null) asked |= bars.unfit
  return asked | featureBits(demand.request.features)
}

/** Of those whose times are predicted, whoever would meet the objective. */
export function passTimes(pool: Pool): void {
  const { table, demand } = sourceOf(pool)
  const asksIdle = latencyGate.applies(demand)
  const asksBusy = latencyAtLoadGate.applies(demand)
  if (!asksIdle && !asksBusy) return
  const { objective } = demand.request
  const ttftMs = objective.ttftMs ?? Number.POSITIVE_INFINITY
  const tpotMs = objective.tpotMs ?? Number.POSITIVE_INFINITY
  const { size, rows, outlooks } = pool
  let passed = 0
  for (let i = 0; i < size; i += 1) {
    const row = rows[i] as number
    const idleMs = outlooks[i * outlooksPerRow + outlook.idleTtftMs] as number
    if (asksIdle && (idleMs > ttftMs || (table.idleTpotMs[row] as number) > tpotMs)) continue
    if (asksBusy) {
      const latestMs = latestTtftMs(idleMs, demand) ?? Number.POSITIVE_INFINITY
      if (bounded(table.times[row * timesPerRow + time.tpotMs] as number) > tpotMs) continue
      if ((outlooks[i * outlooksPerRow + outlook.ttftMs] as number) > latestMs) continue
    }
    if (passed < i) move(pool, i, passed)
    passed += 1
  }
  pool.size = passed
}

/** Over somebody who did not pass. */
function move({ rows, outlooks }: Pool, from: number, to: number): void {
  rows[to] = rows[from] as number
  for (let value = 0; value < outlooksPerRow; value += 1) {
    outlooks[to * outlooksPerRow + value] = outlooks[from * outlooksPerRow + value] as number
  }
}
