/**
 * The worker's answers come back more often than they fail. Asked only where all who are as sound
 * as that have too much to do: a worker that fails is idle, but no refuge from a queue.
 */
import { newcomer } from '../../evidence/index.ts'
import type { Candidate } from '../candidate.ts'
import type { Gate } from './gate.ts'

/** As good as somebody who was never seen, at least. */
export function isSound({ evidence }: Candidate): boolean {
  return evidence.completion.mean >= newcomer.completion.mean
}

export const recordGate: Gate = {
  name: 'record',
  temporary: false,
  applies: ({ avoidsUnsound }) => avoidsUnsound,
  check: (candidate) => (isSound(candidate) ? undefined : candidate.evidence.completion.mean),
  required: () => 'answers that come back more often than they fail, as those of others do',
  actual: (fact) => `${Math.round(Number(fact) * 100)} % are expected to come back`,
}
