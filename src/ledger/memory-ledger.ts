/** The ledger in memory: for tests, and a gateway without a disk. */
import type { NodeId } from '../protocol/index.ts'
import type { AccountTotals, Entry, LedgerStore } from './entry.ts'

/** About 250 bytes each on disk; sums of all that went stay. */
export const ledgerEntriesMaxDefault = 200_000

export class MemoryLedger implements LedgerStore {
  readonly #entriesMax: number
  readonly #entries = new Map<string, Entry>()
  readonly #accounts = new Map<NodeId, AccountTotals>()

  constructor(options: { readonly ledgerEntriesMax?: number | undefined } = {}) {
    this.#entriesMax = options.ledgerEntriesMax ?? ledgerEntriesMaxDefault
  }

  post(entry: Entry): void {
    const key = `${entry.decision} ${entry.attempt}`
    if (this.#entries.has(key)) return
    this.#entries.set(key, entry)
    this.#accounts.set(entry.worker, withEntry(this.#accounts.get(entry.worker), entry))
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#entriesMax && oldest !== undefined) this.#entries.delete(oldest)
  }

  async flush(): Promise<void> {}

  accounts(): readonly AccountTotals[] {
    return [...this.#accounts.values()]
  }

  account(worker: NodeId): AccountTotals | undefined {
    return this.#accounts.get(worker)
  }

  entries(worker: NodeId, count: number): readonly Entry[] {
    const own = [...this.#entries.values()].filter((entry) => entry.worker === worker)
    return own.reverse().slice(0, count)
  }
}

function withEntry(before: AccountTotals | undefined, entry: Entry): AccountTotals {
  const { amountNanoDollars, atMs, completionTokens, promptTokens, state, worker } = entry
  return {
    worker,
    answers: (before?.answers ?? 0) + (state === 'owed' ? 1 : 0),
    voids: (before?.voids ?? 0) + (state === 'void' ? 1 : 0),
    promptTokens: (before?.promptTokens ?? 0) + promptTokens,
    completionTokens: (before?.completionTokens ?? 0) + completionTokens,
    amountNanoDollars: (before?.amountNanoDollars ?? 0) + amountNanoDollars,
    firstAtMs: before?.firstAtMs ?? atMs,
    lastAtMs: atMs,
  }
}
