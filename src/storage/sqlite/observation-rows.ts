/** Observations and sightings as rows and back; a row that is neither gives undefined. */
import type { SQLOutputValue } from 'node:sqlite'
import type { Observation, ObservedOutcome, Sighting } from '../../evidence/index.ts'
import { sightingKinds } from '../../evidence/index.ts'
import type { Blame, DecisionId, WorkerId } from '../../protocol/index.ts'
import { isDecisionId, isErrorCode, isNodeId, isUpstreamId } from '../../protocol/index.ts'
import { observationColumns } from './group.ts'
import type { Row } from './group-entries.ts'

export function rowOf(observation: Observation): Row {
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
    observation.load ?? null,
    observation.promptTokensAhead ?? null,
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
    load: numberOf(row['load']),
    promptTokensAhead: numberOf(row['prompt_tokens_ahead']),
  }
}

/** As `observationOf`, of what `rowOf` gave. */
export function observationOfRow(row: Row): Observation | undefined {
  return observationOf(
    Object.fromEntries(observationColumns.map((column, i) => [column, row[i] ?? null])),
  )
}

export function sightingOf(row: Readonly<Record<string, SQLOutputValue>>): Sighting | undefined {
  const worker = workerOf(row['worker'])
  const kind = sightingKinds.find((one) => one === row['kind'])
  const fromMs = numberOf(row['from_ms'])
  const atMs = numberOf(row['at_ms'])
  if (worker === undefined || kind === undefined) return undefined
  return fromMs === null || atMs === null ? undefined : { worker, kind, fromMs, atMs }
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
