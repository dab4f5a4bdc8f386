/** An entry of the ledger as a row, and back. */
import type { SQLOutputValue } from 'node:sqlite'
import type { AccountTotals, Entry } from '../../ledger/index.ts'
import { isDecisionId, isNodeId } from '../../protocol/index.ts'
import type { Row } from './group-entries.ts'

type Cells = Readonly<Record<string, SQLOutputValue>>

/** In the order of `ledgerColumns`. */
export function rowOfEntry(entry: Entry): Row {
  const { billed } = entry
  return [
    entry.worker,
    entry.decision,
    entry.attempt,
    entry.atMs,
    entry.model,
    entry.tier,
    entry.hardwareClass,
    entry.policyVersion,
    entry.promptTokens,
    entry.completionTokens,
    billed?.promptTokens ?? null,
    billed?.completionTokens ?? null,
    entry.promptPrice,
    entry.completionPrice,
    entry.amountNanoDollars,
    entry.state,
  ]
}

/** undefined: it is none. */
export function entryOfRow(row: Cells): Entry | undefined {
  const { attempt, decision, model, state, tier, worker } = row
  const hardwareClass = row['hardware_class']
  const policyVersion = row['policy']
  const number = (name: string) => {
    const value = row[name]
    return typeof value === 'number' ? value : Number.NaN
  }
  if (typeof worker !== 'string' || !isNodeId(worker)) return undefined
  if (typeof decision !== 'string' || !isDecisionId(decision)) return undefined
  if (typeof attempt !== 'number' || typeof model !== 'string') return undefined
  if (typeof hardwareClass !== 'string' || typeof policyVersion !== 'string') return undefined
  if (state !== 'owed' && state !== 'void') return undefined
  if (tier !== null && typeof tier !== 'string') return undefined
  const isSigned = typeof row['billed_prompt_tokens'] === 'number'
  return {
    ...{ worker, decision, attempt, model, tier, hardwareClass, policyVersion, state },
    atMs: number('at_ms'),
    promptTokens: number('prompt_tokens'),
    completionTokens: number('completion_tokens'),
    billed: isSigned
      ? {
          promptTokens: number('billed_prompt_tokens'),
          completionTokens: number('billed_completion_tokens'),
        }
      : null,
    promptPrice: number('prompt_price'),
    completionPrice: number('completion_price'),
    amountNanoDollars: number('amount'),
  }
}

/** undefined: it is none. */
export function totalsOfRow(row: Cells): AccountTotals | undefined {
  const { worker } = row
  if (typeof worker !== 'string' || !isNodeId(worker)) return undefined
  const number = (name: string) => Number(row[name])
  return {
    worker,
    answers: number('answers'),
    voids: number('voids'),
    promptTokens: number('prompt_tokens'),
    completionTokens: number('completion_tokens'),
    amountNanoDollars: number('amount'),
    firstAtMs: number('first_ms'),
    lastAtMs: number('last_ms'),
  }
}
