/** What a node billed for several prompts of one request, together. */
import type { Bill } from '../../protocol/index.ts'
import type { Billed } from '../workers/worker.ts'

export function sumOfBills(before: Billed | undefined, { bill, counted, isFalse }: Billed): Billed {
  if (before === undefined) return { bill, counted, isFalse }
  return {
    bill: added(before.bill, bill),
    counted: added(before.counted, counted),
    isFalse: before.isFalse || isFalse,
  }
}

function added(a: Bill, b: Bill): Bill {
  return {
    promptTokens: a.promptTokens + b.promptTokens,
    completionTokens: a.completionTokens + b.completionTokens,
  }
}
