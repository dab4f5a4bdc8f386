/**
 * Who of all candidates is eligible, and by which gate each of the others was rejected.
 */
import type { WorkerId } from '../protocol/index.ts'
import { type Candidate, presentOf, slotsOf } from './candidate.ts'
import type { RejectedColumns } from './decision-record.ts'
import { backOffGate } from './gates/back-off.ts'
import { bitsOf, columnGates, passStates, passTimes } from './gates/columns.ts'
import type { Fact, Gate } from './gates/gate.ts'
import { gates } from './gates/gates.ts'
import { latencyGate } from './gates/latency.ts'
import { latencyAtLoadGate, latestTtftMs } from './gates/latency-at-load.ts'
import { slotsGate } from './gates/slots.ts'
import { statementGate } from './gates/statement.ts'
import { type Pool, sourceOf, takePool } from './pool.ts'
import {
  bounded,
  type Demand,
  type Prediction,
  predict,
  predictRow,
  predictRows,
} from './prediction.ts'
import type { CandidateTable } from './table.ts'

interface Sifted {
  /** The eligible. */
  readonly pool: Pool
  readonly gateCounts: Readonly<Record<string, number>>
  readonly rejected: RejectedColumns
  /** When somebody has room; null: nobody was rejected for having too much to do. */
  readonly retryAfterMs: number | null
}

export function sift(table: CandidateTable, demand: Demand): Sifted {
  const asked = askedBy(demand)
  const pool = takePool(table, demand)
  passStates(pool)
  if (asked.further.length > 0) passFurther(pool, asked.further)
  predictRows(pool, table, demand)
  passTimes(pool)
  if (pool.size < table.size) return { pool, ...rejectionsOf(pool, asked) }
  return { pool, gateCounts: asked.none, rejected: nobody, retryAfterMs: null }
}

const nobody: RejectedColumns = Object.freeze({ workers: [], gates: [], facts: [] })

/** The gates that a demand asks, and what follows from that alone. */
interface Asked {
  readonly gates: readonly Gate[]
  /** Those that are asked one by one. */
  readonly further: readonly Gate[]
  /** The counts, where each lets everybody pass. */
  readonly none: Readonly<Record<string, number>>
}

/** By a bit for each gate. Requests are alike: they ask in few ways. */
const askedBefore = new Map<number, Asked>()
/** Whoever asks in more ways than this, on purpose, only makes it slower. */
const askedBeforeMax = 256

function askedBy(demand: Demand): Asked {
  let key = 0
  for (const gate of gates) key = key * 2 + (gate.applies(demand) ? 1 : 0)
  const before = askedBefore.get(key)
  if (before !== undefined) return before
  const asks = gates.filter((gate) => gate.applies(demand))
  const asked = {
    gates: asks,
    further: asks.filter((gate) => !columnGates.has(gate)),
    none: Object.freeze(Object.fromEntries(asks.map(({ name }) => [name, 0]))),
  }
  if (askedBefore.size < askedBeforeMax) askedBefore.set(key, asked)
  return asked
}

function passFurther(pool: Pool, further: readonly Gate[]): void {
  const { table, demand } = sourceOf(pool)
  const { size, rows } = pool
  let passed = 0
  for (let i = 0; i < size; i += 1) {
    const row = rows[i] as number
    if (!passes(table.candidates[row] as Candidate, demand, further)) continue
    rows[passed] = row
    passed += 1
  }
  pool.size = passed
}

/** Who is rejected is rejected by the first gate in their order. */
function rejectionsOf(pool: Pool, asked: Asked): Omit<Sifted, 'pool'> {
  const { table, demand } = sourceOf(pool)
  const { rejectionsMax } = demand.policy
  const bits = asked.gates.map((gate) => bitsOf(gate, demand))
  const counts = bits.map(() => 0)
  const rejected = { workers: [] as WorkerId[], gates: [] as Gate[], facts: [] as Fact[] }
  let retryAfterMs: number | null = null
  let eligible = 0
  for (let row = 0; row < table.size; row += 1) {
    if (eligible < pool.size && pool.rows[eligible] === row) {
      eligible += 1
      continue
    }
    const candidate = table.candidates[row] as Candidate
    const barred = table.barred[row] as number
    for (let g = 0; g < bits.length; g += 1) {
      const bit = bits[g] as number
      if (bit !== 0 && (barred & bit) === 0) continue
      const gate = asked.gates[g] as Gate
      if (foretelling.has(gate)) predictRow(table, row, demand)
      const fact = gate.check(candidate, demand)
      if (fact === undefined) continue
      counts[g] = (counts[g] as number) + 1
      if (queueing.has(gate)) {
        retryAfterMs = sooner(retryAfterMs, passesAfterMs(gate, candidate, demand))
      }
      if (rejected.workers.length < rejectionsMax) {
        rejected.workers.push(candidate.id)
        rejected.gates.push(gate)
        rejected.facts.push(fact)
      }
      break
    }
  }
  const gateCounts: Record<string, number> = { ...asked.none }
  for (const [g, { name }] of asked.gates.entries()) gateCounts[name] = counts[g] as number
  return { gateCounts, rejected, retryAfterMs }
}

/**
 * Whoever is rejected by these has too much to do, and will have room. Who halted, is suspected, or
 * failed lately has not: nobody is waited for because of them.
 */
const queueing: ReadonlySet<Gate> = new Set([backOffGate, latencyAtLoadGate, slotsGate])

/** Those that ask for predicted times, or after which it is asked when somebody has room. */
const foretelling: ReadonlySet<Gate> = new Set([
  statementGate,
  latencyGate,
  ...gates.filter(({ temporary }) => temporary),
])

export function passes(candidate: Candidate, demand: Demand, checked: readonly Gate[]): boolean {
  for (const gate of checked) if (gate.check(candidate, demand) !== undefined) return false
  return true
}

function sooner(aMs: number | null, bMs: number): number {
  return aMs === null ? bMs : Math.min(aMs, bMs)
}

/** When the candidate can be expected to pass a temporary gate. */
function passesAfterMs(gate: Gate, candidate: Candidate, demand: Demand): number {
  return gate === backOffGate
    ? Math.ceil(candidate.breaker?.leftMs ?? 0)
    : freeAfterMs(candidate, demand)
}

/**
 * When the candidate can be expected to have room: slots become free one after the other, on
 * average after one answer's time shared by all of them; with an objective, when the queue is
 * short enough for it.
 */
function freeAfterMs(candidate: Candidate, demand: Demand): number {
  const prediction = predict(candidate, demand)
  const slots = slotsOf(candidate)
  const answersAhead = presentOf(candidate) + 1 - slots * (1 + demand.policy.waitingPerSlotMax)
  const roomMs = (Math.max(1, answersAhead) * answerMs(prediction, demand)) / slots
  const mostMs = latestTtftMs(
    prediction.idleTtftMs,
    demand.request.objective.ttftMs ?? Number.POSITIVE_INFINITY,
    demand.policy.queueShareOfSlack,
  )
  return Math.ceil(Math.max(roomMs, prediction.ttftMs - mostMs))
}

/**
 * How long one answer is taken to keep a slot. Long answers of others send nobody away: where those
 * that were seen are longer than what is assumed, the assumption decides.
 */
function answerMs(prediction: Readonly<Prediction>, demand: Demand): number {
  const { queueMs, totalMs, tpotMs, ttftMs } = prediction
  const { completionTokens, predictedTokens } = demand
  if (predictedTokens <= completionTokens) return totalMs - queueMs
  return bounded(ttftMs - queueMs + tpotMs * (completionTokens - 1))
}
