/** The worker offers the model. */
import type { Gate } from './gate.ts'

export const modelGate: Gate = {
  name: 'model',
  temporary: false,
  applies: () => true,
  check: (candidate) => (candidate.offer === null ? 'not offered' : undefined),
  required: ({ request }) => `the model ${request.model}`,
  actual: (fact) => `${fact}`,
}
