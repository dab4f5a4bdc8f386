/** For the tests of gates: whom a gate rejects, in words. */

import type { RouteRequest } from '../request.ts'
import { type CandidateChange, sampleCandidate, sampleDemand } from '../samples.fixture.ts'
import type { Gate } from './gate.ts'

/** 'pass', or `required / actual`. */
export function checkInWords(
  gate: Gate,
  request: Partial<RouteRequest>,
  candidate: CandidateChange,
): string {
  const demand = sampleDemand(request)
  if (!gate.applies(demand)) return 'not asked'
  const fact = gate.check(sampleCandidate(0, candidate), demand)
  return fact === undefined ? 'pass' : `${gate.required(demand)} / ${gate.actual(fact)}`
}
