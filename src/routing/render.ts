/** A decision as an answer to a person: why this node, why it was qualified, and why not the others. */
import type { Decision } from './decision.ts'

export function renderDecision(decision: Decision): string {
  return decision.reason
}
