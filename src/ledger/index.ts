/**
 * ledger: who owes whom. What nodes have earned, what of it is held, what is void.
 * It counts; nobody is paid by it.
 */
export { type AccountTotals, type AccountView, viewOf } from './account.ts'
export {
  type Delivered,
  type Entry,
  type EntryState,
  entryOf,
  type LedgerStore,
} from './entry.ts'
export { ledgerEntriesMaxDefault, MemoryLedger } from './memory-ledger.ts'
export { amountMaxNanoDollars, amountOf, type Terms, type Tokens, termsOf } from './terms.ts'
