/**
 * Nothing serious stands against the worker; asked where something stands against somebody. Who is
 * on probation is tried now and then.
 */
import type { Gate } from './gate.ts'

export const standingGate: Gate = {
  name: 'standing',
  temporary: false,
  applies: ({ hasBarred }) => hasBarred,
  check: ({ standing }) => (standing?.takes === true ? undefined : standing?.words),
  required: () => 'a standing that no incident lowers',
  actual: (fact) => `${fact}`,
}
