/**
 * The worker's circuit breaker is closed, or half-open and free for a probe; asked only as long as
 * there is another like that, so that breakers never shut the last ones out.
 */
import type { Gate } from './gate.ts'

export const breakerGate: Gate = {
  name: 'breaker',
  temporary: true,
  applies: ({ avoidsBroken }) => avoidsBroken,
  check({ breaker }, { avoidsBroken }) {
    if (breaker === undefined || !avoidsBroken || breaker.state === 'waiting') return undefined
    return breaker.takes ? undefined : breaker.words
  },
  required: () => 'a circuit breaker that is closed, or half-open and free for a probe',
  actual: (fact) => `${fact}`,
}
