/** The worker has not failed at this very request, nor is it at it, nor is it to be left. */
import type { Gate } from './gate.ts'

export const triedGate: Gate = {
  name: 'tried',
  temporary: false,
  applies: ({ tried }) => tried.size > 0,
  check: (candidate, { tried }) =>
    tried.has(candidate.id) ? 'tried for this request before' : undefined,
  required: () => 'no attempt at this request',
  actual: (fact) => `${fact}`,
}
