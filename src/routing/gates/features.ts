/** The worker's model can do all that the request asks for: tools, images, structured output … */
import type { Gate } from './gate.ts'

export const featuresGate: Gate = {
  name: 'features',
  temporary: false,
  applies: ({ request }) => request.features.length > 0,
  check(candidate, { request }) {
    const offered = candidate.offer?.features ?? []
    for (const feature of request.features) if (!offered.includes(feature)) return offered
    return undefined
  },
  required: ({ request }) => request.features.join(', '),
  actual: (fact) => (Array.isArray(fact) && fact.length > 0 ? fact.join(', ') : 'none'),
}
