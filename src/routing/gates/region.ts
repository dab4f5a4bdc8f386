/** The worker declares the region that the request demands, and measurement does not refute it. */
import type { Gate } from './gate.ts'

export const regionGate: Gate = {
  name: 'region',
  temporary: false,
  applies: ({ request }) => request.region !== null,
  check: (candidate, { request }) =>
    candidate.region === request.region ? undefined : candidate.region,
  required: ({ request }) => `region ${request.region}`,
  actual: (fact) => (fact === '' ? 'no region, or a refuted one' : `region ${fact}`),
}
