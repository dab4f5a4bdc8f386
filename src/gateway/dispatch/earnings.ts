/**
 * What nodes earn with the requests of this gateway's clients: an entry in the ledger for each
 * attempt that delivered something, at the terms on which it began.
 *
 * Whether an account is held is what its node's standing says, now: quarantined, or on the way out
 * of that. Upstreams are the operator's own, and have no account.
 */
import type { Clock } from '../../base/index.ts'
import type { StandingBook } from '../../evidence/index.ts'
import {
  type AccountView,
  type Delivered,
  type Entry,
  entryOf,
  type LedgerStore,
  type Terms,
  termsOf,
  viewOf,
} from '../../ledger/index.ts'
import { isNodeId, type NodeId, type WorkerId } from '../../protocol/index.ts'
import { type RoutingPolicy, ruleOf, tierOf } from '../../routing/index.ts'
import type { WorkerRegistry } from '../workers/registry.ts'

export interface EarningsModules {
  readonly clock: Pick<Clock, 'now'>
  readonly ledger: LedgerStore
  readonly registry: Pick<WorkerRegistry, 'offered'>
  readonly book: Pick<StandingBook, 'isConfined'>
  readonly policy: () => RoutingPolicy
}

/** As it is when it is posted. */
export type Earned = 'owed' | 'held' | 'void'

export class Earnings {
  readonly #modules: EarningsModules
  readonly #counts: Record<Earned, number> = { owed: 0, held: 0, void: 0 }
  #nanoDollars = 0

  constructor(modules: EarningsModules) {
    this.#modules = modules
  }

  /** undefined: nobody has to be paid. */
  terms(worker: WorkerId, model: string): Terms | undefined {
    const offered = isNodeId(worker) ? this.#modules.registry.offered(worker, model) : undefined
    if (offered === undefined) return undefined
    const { hardwareClass, offer } = offered
    const policy = this.#modules.policy()
    const tier = tierOf(policy, model)
    const cap = tier === null ? undefined : ruleOf(tier, hardwareClass)
    const place = { tier: tier?.name ?? null, hardwareClass, policyVersion: policy.version }
    return termsOf(offer, cap, place)
  }

  /** Once for each attempt; what is posted again counts once. */
  post(
    delivered: Delivered,
    terms: Terms,
    about: Pick<Entry, 'decision' | 'attempt' | 'model'> & { readonly worker: WorkerId },
  ): void {
    const { worker } = about
    if (!isNodeId(worker)) return
    const atMs = this.#modules.clock.now()
    const entry = entryOf(delivered, terms, { ...about, worker, atMs })
    if (entry === undefined) return
    this.#modules.ledger.post(entry)
    this.#counts[entry.state === 'owed' && this.isHeld(worker) ? 'held' : entry.state] += 1
    this.#nanoDollars += entry.amountNanoDollars
  }

  isHeld(worker: NodeId): boolean {
    return this.#modules.book.isConfined(worker)
  }

  async accounts(): Promise<readonly AccountView[]> {
    const { ledger } = this.#modules
    await ledger.flush()
    return ledger.accounts().map((totals) => viewOf(totals, this.isHeld(totals.worker)))
  }

  /** undefined: it has earned nothing yet. */
  async account(worker: NodeId): Promise<AccountView | undefined> {
    const { ledger } = this.#modules
    await ledger.flush()
    const totals = ledger.account(worker)
    return totals === undefined ? undefined : viewOf(totals, this.isHeld(worker))
  }

  /** Newest first, of what `account` has flushed. */
  entries(worker: NodeId, count: number): readonly Entry[] {
    return this.#modules.ledger.entries(worker, count)
  }

  /** Since the start. */
  counts(): Readonly<Record<Earned, number>> {
    return this.#counts
  }

  get dollars(): number {
    return this.#nanoDollars / 1e9
  }
}
