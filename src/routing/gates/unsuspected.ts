/** The mesh does not suspect the worker; asked only as long as there is another like that. */
import type { Gate } from './gate.ts'

export const unsuspectedGate: Gate = {
  name: 'unsuspected',
  temporary: true,
  applies: ({ avoidsSuspects }) => avoidsSuspects,
  check: ({ verdict }, { avoidsSuspects }) =>
    verdict === 'suspect' && avoidsSuspects ? 'suspected of being dead' : undefined,
  required: () => 'no suspicion among the members of its cluster',
  actual: (fact) => `${fact}`,
}
