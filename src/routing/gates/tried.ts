/** The worker has not failed at this very request. */
import type { Gate } from './gate.ts'

export const triedGate: Gate = {
  name: 'tried',
  temporary: false,
  applies: ({ tried }) => tried.size > 0,
  check: (candidate, { tried }) =>
    tried.has(candidate.id) ? 'failed at this request before' : undefined,
  required: () => 'no failed attempt at this request',
  actual: (fact) => `${fact}`,
}
