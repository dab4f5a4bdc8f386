/** The worker is connected to this gateway. */
import type { Gate } from './gate.ts'

export const connectedGate: Gate = {
  name: 'connected',
  temporary: false,
  applies: () => true,
  check: (candidate) => (candidate.connected ? undefined : 'not connected'),
  required: () => 'a connection to this gateway',
  actual: (fact) => `${fact}`,
}
