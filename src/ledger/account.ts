/**
 * What an account is worth. Its entries never change: while its node is quarantined, or works that
 * off, all of it is held, and when that ends it is owed again. So nothing has to be moved when an
 * incident begins or ends, and nothing can be forgotten in a crash between the two.
 */
import type { AccountTotals } from './entry.ts'

export type { AccountTotals } from './entry.ts'

export interface AccountView extends Omit<AccountTotals, 'amountNanoDollars'> {
  readonly isHeld: boolean
  readonly owedNanoDollars: number
  readonly heldNanoDollars: number
}

export function viewOf(
  { amountNanoDollars, ...totals }: AccountTotals,
  isHeld: boolean,
): AccountView {
  return {
    ...totals,
    isHeld,
    owedNanoDollars: isHeld ? 0 : amountNanoDollars,
    heldNanoDollars: isHeld ? amountNanoDollars : 0,
  }
}
