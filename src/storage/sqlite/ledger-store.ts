/** Entries and accounts in the file. What waits for the disk is read once it is there: `flush`. */
import type { AccountTotals, Entry, LedgerStore } from '../../ledger/index.ts'
import type { NodeId } from '../../protocol/index.ts'
import { selectAccount, selectAccounts, selectEntries } from './group.ts'
import { entryOfRow, rowOfEntry, totalsOfRow } from './ledger-rows.ts'
import type { Shared } from './open-file.ts'
import { readAll } from './rare-stores.ts'

export class SqliteLedgerStore implements LedgerStore {
  readonly #shared: Shared

  constructor(shared: Shared) {
    this.#shared = shared
  }

  post(entry: Entry): void {
    this.#shared.writer.appendLedgerEntry(rowOfEntry(entry))
  }

  flush(): Promise<void> {
    return this.#shared.writer.flush()
  }

  accounts(): readonly AccountTotals[] {
    const asked = { select: selectAccounts, from: [], what: 'accounts' }
    return [...readAll(this.#shared, asked, totalsOfRow)]
  }

  account(worker: NodeId): AccountTotals | undefined {
    const asked = { select: selectAccount, from: [worker], what: 'accounts' }
    return [...readAll(this.#shared, asked, totalsOfRow)][0]
  }

  entries(worker: NodeId, count: number): readonly Entry[] {
    const asked = { select: selectEntries, from: [worker, count], what: 'entries of an account' }
    return [...readAll(this.#shared, asked, entryOfRow)]
  }
}
