/**
 * Whether a node may bill what it bills: what it signed of its work beside what it signed of its
 * bill. So everybody who has the two judges alike.
 *
 * An honest node is never over its ceiling: it counts by the same rules (`protocol/bill.ts`) and
 * bounds its own bill before it signs, whatever the server behind its engine says. What a policy
 * allows besides is for nodes of another version, whose ceilings may be a little others.
 */
import { type Bill, ceilingOf, type Receipt } from '../../protocol/index.ts'
import type { FaultKind } from './fault.ts'

/** A policy has them. */
export interface BillRules {
  /** Of what can have been delivered: so much more is not yet severe. */
  readonly overbilledShareMax: number
  /** And so many tokens. */
  readonly overbilledTokensMax: number
}

/** undefined: nothing is wrong with it. */
export function faultOfBill(
  { bill, work }: Pick<Receipt, 'bill' | 'work'>,
  rules: BillRules,
): Extract<FaultKind, 'overbilled' | 'settlement-mismatch'> | undefined {
  const most = ceilingOf(work)
  const isOver = (tokens: (of: Bill) => number) => tokens(bill) > tokens(most)
  if (!isOver(promptOf) && !isOver(completionOf)) return undefined
  const { overbilledShareMax, overbilledTokensMax } = rules
  const isFarOver = (tokens: (of: Bill) => number) =>
    tokens(bill) > tokens(most) * (1 + overbilledShareMax) + overbilledTokensMax
  return isFarOver(promptOf) || isFarOver(completionOf) ? 'settlement-mismatch' : 'overbilled'
}

/** For people: what was billed, and what at most can have been delivered. */
export function billInWords({ bill, work }: Pick<Receipt, 'bill' | 'work'>): string {
  const most = ceilingOf(work)
  return (
    `it billed ${bill.promptTokens} prompt and ${bill.completionTokens} completion tokens, where ` +
    `at most ${most.promptTokens} and ${most.completionTokens} can be`
  )
}

const promptOf = ({ promptTokens }: Bill) => promptTokens
const completionOf = ({ completionTokens }: Bill) => completionTokens
