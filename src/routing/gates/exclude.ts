/** The client did not exclude the worker. */
import type { Gate } from './gate.ts'

export const excludeGate: Gate = {
  name: 'exclude',
  temporary: false,
  applies: ({ excluded }) => excluded.size > 0,
  check: (candidate, { excluded }) =>
    excluded.has(candidate.id) ? 'excluded by the request' : undefined,
  required: () => 'not excluded by the request',
  actual: (fact) => `${fact}`,
}
