/**
 * Who of all candidates is eligible, and by which gate each of the others was rejected.
 */
import type { WorkerId } from '../protocol/index.ts'
import { type Candidate, presentOf, slotsOf } from './candidate.ts'
import { backOffGate } from './gates/back-off.ts'
import { columnGates, passStates, passTimes } from './gates/columns.ts'
import { connectedGate } from './gates/connected.ts'
import type { Fact, Gate } from './gates/gate.ts'
import { gates } from './gates/gates.ts'
import { latestTtftMs } from './gates/latency-at-load.ts'
import { modelGate } from './gates/model.ts'
import { type Pool, sourceOf, takePool } from './pool.ts'
import { type Demand, predict, predictRow, predictRows } from './prediction.ts'
import { bars, type CandidateTable } from './table.ts'

interface Sifted {
  /** The eligible. */
  readonly pool: Pool
  readonly gateCounts: Readonly<Record<string, number>>
  readonly rejected: { workers: WorkerId[]; gates: Gate[]; facts: Fact[] }
  /** null: nobody was rejected by a temporary gate. */
  readonly retryAfterMs: number | null
}

export function sift(table: CandidateTable, demand: Demand): Sifted {
  const asked = gates.filter((gate) => gate.applies(demand))
  const further = asked.filter((gate) => !columnGates.has(gate))
  const pool = takePool(table, demand)
  passStates(pool)
  if (further.length > 0) passFurther(pool, further)
  predictRows(pool, table, demand)
  passTimes(pool)
  return { pool, ...rejectionsOf(pool, asked) }
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
function rejectionsOf(pool: Pool, asked: readonly Gate[]): Omit<Sifted, 'pool'> {
  const { table, demand } = sourceOf(pool)
  const { rejectionsMax } = demand.policy
  const counts = new Array<number>(asked.length).fill(0)
  const rejected = { workers: [] as WorkerId[], gates: [] as Gate[], facts: [] as Fact[] }
  let retryAfterMs: number | null = null
  let eligible = 0
  for (let row = 0; row < table.size && pool.size < table.size; row += 1) {
    if (eligible < pool.size && pool.rows[eligible] === row) {
      eligible += 1
      continue
    }
    const candidate = table.candidates[row] as Candidate
    const g = firstShut(table, row, { asked, demand })
    const gate = asked[g]
    if (gate === undefined) continue
    counts[g] = (counts[g] ?? 0) + 1
    if (gate.temporary) retryAfterMs = sooner(retryAfterMs, passesAfterMs(gate, candidate, demand))
    if (rejected.workers.length >= rejectionsMax) continue
    const fact = gate.check(candidate, demand)
    if (fact === undefined) continue
    rejected.workers.push(candidate.id)
    rejected.gates.push(gate)
    rejected.facts.push(fact)
  }
  const gateCounts: Record<string, number> = {}
  for (const [g, gate] of asked.entries()) gateCounts[gate.name] = counts[g] ?? 0
  return { gateCounts, rejected, retryAfterMs }
}

/** The first two gates are asked always, and most of who is rejected in a large network is here. */
function firstShut(
  table: CandidateTable,
  row: number,
  { asked, demand }: { readonly asked: readonly Gate[]; readonly demand: Demand },
): number {
  const barred = table.barred[row] as number
  if ((barred & bars.unoffered) !== 0) return asked.indexOf(modelGate)
  if ((barred & bars.disconnected) !== 0) return asked.indexOf(connectedGate)
  const candidate = table.candidates[row] as Candidate
  predictRow(table, row, demand)
  for (let g = 0; g < asked.length; g += 1) {
    if ((asked[g] as Gate).check(candidate, demand) !== undefined) return g
  }
  return -1
}

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
  const roomMs = (Math.max(1, answersAhead) * (prediction.totalMs - prediction.queueMs)) / slots
  const mostMs = latestTtftMs(prediction.idleTtftMs, demand) ?? Number.POSITIVE_INFINITY
  return Math.ceil(Math.max(roomMs, prediction.ttftMs - mostMs))
}
