/** The mesh does not hold the worker for dead; asked where it holds anybody for dead. */
import type { Gate } from './gate.ts'

export const aliveGate: Gate = {
  name: 'alive',
  temporary: false,
  applies: ({ hasDead }) => hasDead,
  check: ({ verdict }) =>
    verdict === 'dead' ? 'dead, as the members of its cluster say' : undefined,
  required: () => 'a node that the mesh holds for alive, or that answers this gateway itself',
  actual: (fact) => `${fact}`,
}
