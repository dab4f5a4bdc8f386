/**
 * The gates that nearly every request asks, read from columns: whether a candidate passes all of
 * them, many times as fast as by asking one after the other. Who does not pass is asked by the
 * gates themselves, which say what was required and what was found; the two agree, and a test holds
 * it.
 */
import { type Demand, predictRow } from '../prediction.ts'
import { bars, type CandidateTable, featureBits } from '../table.ts'
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

/** What a demand asks of every row, worked out once. */
export interface Questions {
  readonly bars: number
  readonly features: number
  readonly contextTokens: number
  readonly memoryBytes: number
  readonly requestsPerSlot: number
  readonly ttftMs: number
  readonly tpotMs: number
  readonly asksLatency: boolean
  readonly asksLatencyAtLoad: boolean
}

export function questionsOf(demand: Demand): Questions {
  const { policy, request, avoidsOverdue, avoidsSuspects } = demand
  const { ttftMs, tpotMs } = request.objective
  let asked = bars.unoffered | bars.disconnected | bars.draining | bars.dead | bars.condemned
  asked |= bars.waiting
  if (avoidsOverdue) asked |= bars.overdue
  if (avoidsSuspects) asked |= bars.suspect
  if (demand.avoidsBroken) asked |= bars.broken
  if (demand.tier !== null) asked |= bars.unfit
  return {
    bars: asked,
    features: featureBits(request.features),
    contextTokens: requiredTokens(demand),
    memoryBytes: neededBytes(demand),
    requestsPerSlot: 1 + policy.waitingPerSlotMax,
    ttftMs: ttftMs ?? Number.POSITIVE_INFINITY,
    tpotMs: tpotMs ?? Number.POSITIVE_INFINITY,
    asksLatency: latencyGate.applies(demand),
    asksLatencyAtLoad: latencyAtLoadGate.applies(demand),
  }
}

/** Whoever passes has its prediction in the demand. */
export function passesColumns(
  table: CandidateTable,
  row: number,
  { demand, questions }: { readonly demand: Demand; readonly questions: Questions },
): boolean {
  if (((table.barred[row] as number) & questions.bars) !== 0) return false
  const { features } = questions
  if (((table.features[row] as number) & features) !== features) return false
  if ((table.contextMax[row] as number) < questions.contextTokens) return false
  if ((table.memoryBytes[row] as number) < questions.memoryBytes) return false
  const most = (table.slots[row] as number) * questions.requestsPerSlot
  if ((table.present[row] as number) >= most) return false
  const prediction = predictRow(table, row, demand)
  const { avoidsOverstated, policy } = demand
  if (avoidsOverstated && prediction.overstatedBy > policy.overstatedFactorMax) return false
  if (questions.asksLatency) {
    const { idleTtftMs, idleTpotMs } = prediction
    if (idleTtftMs > questions.ttftMs || idleTpotMs > questions.tpotMs) return false
  }
  if (!questions.asksLatencyAtLoad) return true
  if (prediction.tpotMs > questions.tpotMs) return false
  return prediction.ttftMs <= (latestTtftMs(prediction, demand) ?? Number.POSITIVE_INFINITY)
}
