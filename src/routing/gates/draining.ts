/** The worker is not about to stop. */
import type { Gate } from './gate.ts'

export const drainingGate: Gate = {
  name: 'draining',
  temporary: false,
  applies: () => true,
  check: (candidate) => (candidate.load.draining ? 'draining' : undefined),
  required: () => 'taking new work',
  actual: (fact) => `${fact}`,
}
