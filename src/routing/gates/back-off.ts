/** The worker has not asked to be left alone for a while, as with `retry-after`. */
import type { Gate } from './gate.ts'

export const backOffGate: Gate = {
  name: 'back-off',
  temporary: true,
  applies: ({ hasWaiting }) => hasWaiting,
  check: ({ breaker }) => (breaker?.state === 'waiting' ? breaker.words : undefined),
  required: () => 'no wish to be asked later',
  actual: (fact) => `${fact}`,
}
