/**
 * What requests may take that have come and whose callers have not ended them: a handler begins
 * with the end, for which a hostile caller can let it wait.
 */
import type { AssemblyBudget, AssemblyTotal } from '../assembly-budget.ts'
import { type Connection, transportLimits } from '../transport.ts'

const { connectionWindowBytes, streamsPerConnectionMax } = transportLimits
/** Such small ones of all calls together fit into what a connection may send unread anyway. */
const uncountedBytesMax = connectionWindowBytes / streamsPerConnectionMax

export class RequestBudgets {
  readonly #total: AssemblyTotal = {
    bytes: 0,
    bytesMax: transportLimits.assemblyTotalBytesMax,
    sureBytes: transportLimits.assemblySureBytes,
  }
  readonly #budgets = new WeakMap<Connection, AssemblyBudget>()

  /** undefined: a request of that size is not counted. */
  of(connection: Connection, bytes: number): AssemblyBudget | undefined {
    if (bytes <= uncountedBytesMax) return undefined
    let budget = this.#budgets.get(connection)
    if (budget === undefined) {
      budget = { bytes: 0, bytesMax: transportLimits.assemblyBytesMax, total: this.#total }
      this.#budgets.set(connection, budget)
    }
    return budget
  }
}
