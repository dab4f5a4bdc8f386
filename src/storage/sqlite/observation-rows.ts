/** Observations as rows and back; a row that is not an observation gives undefined. */
import type { SQLOutputValue } from 'node:sqlite'
import type { Observation, ObservedOutcome } from '../../evidence/index.ts'
import type { Blame, DecisionId, WorkerId } from '../../protocol/index.ts'
import { isDecisionId, isErrorCode, isNodeId, isUpstreamId } from '../../protocol/index.ts'
import { observationColumns } from './group.ts'
import type { ObservationRow } from './group-buffer.ts'

export function rowOf(observation: Observation): ObservationRow {
  const { outcome } = observation
  const failed = outcome.kind === 'failed' ? outcome : undefined
  return [
    observation.atMs,
    observation.worker,
    observation.model,
    observation.decision,
    observation.attempt,
    outcome.kind,
    failed?.code ?? null,
    failed?.phase ?? null,
    observation.blame,
    observation.ttftMs,
    observation.tpotMs,
    observation.promptTokens,
    observation.completionTokens,
    observation.inFlight,
  ]
}

export function observationOf(
  row: Readonly<Record<string, SQLOutputValue>>,
): Observation | undefined {
  const outcome = outcomeOf(row)
  const worker = workerOf(row['worker'])
  const decision = row['decision']
  const blame = blames.find((one) => one === row['blame'])
  const { at_ms: atMs, model } = row
  if (outcome === undefined || worker === undefined || blame === undefined) return undefined
  if (typeof decision !== 'string' || !isDecisionId(decision)) return undefined
  if (typeof atMs !== 'number' || !Number.isFinite(atMs) || typeof model !== 'string')
    return undefined
  return {
    atMs,
    worker,
    model,
    decision: decision satisfies DecisionId,
    attempt: numberOf(row['attempt']) ?? 0,
    outcome,
    blame,
    ttftMs: numberOf(row['ttft_ms']),
    tpotMs: numberOf(row['tpot_ms']),
    promptTokens: numberOf(row['prompt_tokens']),
    completionTokens: numberOf(row['completion_tokens']),
    inFlight: numberOf(row['in_flight']) ?? 0,
  }
}

/** As `observationOf`, of what `rowOf` gave. */
export function observationOfRow(row: ObservationRow): Observation | undefined {
  return observationOf(
    Object.fromEntries(observationColumns.map((column, i) => [column, row[i] ?? null])),
  )
}

const blames: readonly Blame[] = ['client', 'node', 'network', 'gateway', 'nobody']

function outcomeOf(row: Readonly<Record<string, SQLOutputValue>>): ObservedOutcome | undefined {
  const { outcome, code, phase } = row
  if (outcome === 'completed' || outcome === 'abandoned') return { kind: outcome }
  if (outcome !== 'failed' || typeof code !== 'string' || !isErrorCode(code)) return undefined
  if (phase !== 'before-first-token' && phase !== 'mid-stream') return undefined
  return { kind: 'failed', code, phase }
}

function workerOf(value: SQLOutputValue | undefined): WorkerId | undefined {
  if (typeof value !== 'string') return undefined
  return isNodeId(value) || isUpstreamId(value) ? value : undefined
}

function numberOf(value: SQLOutputValue | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
