/** What unfinished messages may take, on one connection and on all together. */
import { IsochroneError } from '../protocol/index.ts'

/** Memory of unfinished messages on one connection, all its streams together. */
export interface AssemblyBudget {
  bytes: number
  readonly bytesMax: number
  /** That of all connections; undefined: this is the only one. */
  readonly total?: AssemblyTotal
}

export interface AssemblyTotal {
  bytes: number
  readonly bytesMax: number
  /** A connection may have this much even when the others take all. */
  readonly sureBytes: number
}

/** Throws `message_too_large`. */
export function takeBudget(budget: AssemblyBudget, bytes: number): void {
  const { total } = budget
  if (budget.bytes + bytes > budget.bytesMax) {
    const message = `unfinished messages on one connection are over ${budget.bytesMax} bytes`
    throw new IsochroneError('message_too_large', message)
  }
  if (total !== undefined) {
    const isSure = budget.bytes + bytes <= total.sureBytes
    if (!isSure && total.bytes + bytes > total.bytesMax) {
      const message = `unfinished messages of all connections are over ${total.bytesMax} bytes`
      throw new IsochroneError('message_too_large', message)
    }
    total.bytes += bytes
  }
  budget.bytes += bytes
}

export function giveBudget(budget: AssemblyBudget, bytes: number): void {
  budget.bytes -= bytes
  if (budget.total !== undefined) budget.total.bytes -= bytes
}
