/** Nothing serious stands against the worker; asked where something stands against somebody. */
import type { Gate } from './gate.ts'

export const standingGate: Gate = {
  name: 'standing',
  temporary: false,
  applies: ({ hasBarred }) => hasBarred,
  check: ({ standing }) => standing?.words,
  required: () => 'a standing that no incident lowers',
  actual: (fact) => `${fact}`,
}
