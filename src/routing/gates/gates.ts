/**
 * All gates in the order in which they are asked. First what the worker is, then what the request
 * wants, last what the worker has to do just now: so whoever fails at a temporary gate could do
 * the work.
 */
import { aliveGate } from './alive.ts'
import { answeringGate } from './answering.ts'
import { backOffGate } from './back-off.ts'
import { breakerGate } from './breaker.ts'
import { buildGate } from './build.ts'
import { connectedGate } from './connected.ts'
import { contextGate } from './context.ts'
import { continuationGate } from './continuation.ts'
import { drainingGate } from './draining.ts'
import { excludeGate } from './exclude.ts'
import { featuresGate } from './features.ts'
import type { Gate } from './gate.ts'
import { hardwareGate } from './hardware.ts'
import { latencyGate } from './latency.ts'
import { latencyAtLoadGate } from './latency-at-load.ts'
import { memoryGate } from './memory.ts'
import { modelGate } from './model.ts'
import { priceGate } from './price.ts'
import { recordGate } from './record.ts'
import { regionGate } from './region.ts'
import { slotsGate } from './slots.ts'
import { standingGate } from './standing.ts'
import { statementGate } from './statement.ts'
import { throughputGate } from './throughput.ts'
import { tierGate } from './tier.ts'
import { tierPriceGate } from './tier-price.ts'
import { triedGate } from './tried.ts'
import { unsuspectedGate } from './unsuspected.ts'

export const gates: readonly Gate[] = [
  modelGate,
  connectedGate,
  aliveGate,
  tierGate,
  hardwareGate,
  buildGate,
  memoryGate,
  throughputGate,
  tierPriceGate,
  standingGate,
  featuresGate,
  continuationGate,
  contextGate,
  regionGate,
  excludeGate,
  priceGate,
  drainingGate,
  triedGate,
  answeringGate,
  unsuspectedGate,
  breakerGate,
  recordGate,
  statementGate,
  latencyGate,
  latencyAtLoadGate,
  backOffGate,
  slotsGate,
]
