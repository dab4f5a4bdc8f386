/** The worker has memory for the tier’s weights and for this request’s cache, by what it states. */
import { inGib } from '../machine-words.ts'
import type { Demand } from '../prediction.ts'
import type { Gate } from './gate.ts'

/** 0: nothing is asked. */
export function neededBytes({ request, tier, completionTokens }: Demand): number {
  if (tier === null) return 0
  const tokens = request.promptTokens + (request.maxTokens ?? completionTokens)
  return tier.memoryBytes + tier.kvBytesPerToken * tokens
}

export const memoryGate: Gate = {
  name: 'memory',
  temporary: false,
  applies: ({ tier }) => tier !== null && tier.memoryBytes + tier.kvBytesPerToken > 0,
  check: ({ memoryBytes }, demand) =>
    // Who states nothing was chosen by its operator.
    memoryBytes === undefined || memoryBytes >= neededBytes(demand) ? undefined : memoryBytes,
  required: (demand) => `${inGib(neededBytes(demand))} of memory for weights and cache`,
  actual: (fact) => `${inGib(Number(fact))}, by its own statement`,
}
