/**
 * The gates that nearly every request asks, read from columns: whether a candidate passes all of
 * them, many times as fast as by asking one after the other. Who does not pass is asked by the
 * gates themselves, which say what was required and what was found; the two agree, and a test holds
 * it.
 */
import { outlook, outlooksShift, rowMask, time, timesShift } from '../layout.ts'
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

// Constants of this file, for the loops (`layout.ts`).
const mask = rowMask
const cell = time
const shift = timesShift
const to = outlook
const shiftOut = outlooksShift
const bound = bounded

/** With bits of `bars`: who has none of them passes. 0: no bits say so. */
export const columnGates: ReadonlyMap<Gate, number> = new Map([
  [modelGate, bars.unoffered],
  [connectedGate, bars.disconnected],
  [aliveGate, bars.dead],
  [standingGate, bars.condemned],
  [featuresGate, 0],
  [contextGate, 0],
  [drainingGate, bars.draining],
  [answeringGate, bars.overdue],
  [unsuspectedGate, bars.suspect],
  [breakerGate, bars.broken],
  [backOffGate, bars.waiting],
  [statementGate, bars.overstated],
  [latencyGate, 0],
  [latencyAtLoadGate, 0],
  [slotsGate, bars.full],
  [hardwareGate, bars.unfit],
  [buildGate, bars.unfit],
  [memoryGate, 0],
  [throughputGate, bars.unfit],
  [tierPriceGate, bars.unfit],
])

/** Bits of a row: who has none of them passes the gate. 0: no bits say so. */
export function bitsOf(gate: Gate, { request }: Demand): number {
  return gate === featuresGate ? featureBits(request.features) : (columnGates.get(gate) ?? 0)
}

/** Whoever passes those that ask for no predicted time; rows stay in their order. */
export function passStates(pool: Pool): void {
  const { table, demand } = sourceOf(pool)
  const { size, barred, contextMax, memoryBytes, extremes } = table
  const { rows } = pool
  const asked = barsAsked(demand)
  const tokens = requiredTokens(demand)
  const bytes = neededBytes(demand)
  let passed = 0
  if ((extremes.barred & asked) === 0 && extremes.contextMin >= tokens && bytes <= 0) {
    for (; passed < size; passed += 1) rows[passed] = passed
    pool.size = size
    return
  }
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
  const { queueShareOfSlack } = demand.policy
  const ttftMs = objective.ttftMs ?? Number.POSITIVE_INFINITY
  const tpotMs = objective.tpotMs ?? Number.POSITIVE_INFINITY
  const { times, idleTpotMs } = table
  const { size, rows, outlooks } = pool
  let passed = 0
  for (let i = 0; i < size; i += 1) {
    const row = (rows[i] as number) & mask
    const out = (i & mask) << shiftOut
    const idleMs = bound(outlooks[out + to.idleTtftMs] as number)
    if (asksIdle && (idleMs > ttftMs || (idleTpotMs[row] as number) > tpotMs)) continue
    if (asksBusy) {
      if (bound(times[(row << shift) + cell.tpotMs] as number) > tpotMs) continue
      const latestMs = latestTtftMs(idleMs, ttftMs, queueShareOfSlack)
      if (bound(outlooks[out + to.ttftMs] as number) > latestMs) continue
    }
    if (passed < i) move(pool, i, passed)
    passed += 1
  }
  pool.size = passed
}

/** Over somebody who did not pass; nothing but the predicted times is there by now. */
function move({ rows, outlooks }: Pool, from: number, to: number): void {
  rows[to] = rows[from] as number
  for (let value = 0; value <= outlook.totalMs; value += 1) {
    outlooks[(to << shiftOut) + value] = outlooks[(from << shiftOut) + value] as number
  }
}
