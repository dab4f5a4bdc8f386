/** For the tests of gates: whom a gate rejects, in words. */

import type { Demand } from '../prediction.ts'
import type { RouteRequest } from '../request.ts'
import {
  type CandidateChange,
  sampleCandidate,
  sampleDemand,
  sampleTier,
} from '../samples.fixture.ts'
import type { Tier } from '../tier.ts'
import type { Gate } from './gate.ts'

/** 'pass', or `required / actual`. */
export function checkInWords(
  gate: Gate,
  request: Partial<RouteRequest>,
  candidate: CandidateChange,
): string {
  return verdict(gate, sampleDemand(request), candidate)
}

function verdict(gate: Gate, demand: Demand, candidate: CandidateChange): string {
  if (!gate.applies(demand)) return 'not asked'
  const fact = gate.check(sampleCandidate(0, candidate), demand)
  return fact === undefined ? 'pass' : `${gate.required(demand)} / ${gate.actual(fact)}`
}

/** The same, of a request for a model of this tier. */
export function checkInTier(
  gate: Gate,
  tier: Partial<Tier>,
  { request, ...candidate }: CandidateChange & { readonly request?: Partial<RouteRequest> },
): string {
  return verdict(gate, { ...sampleDemand(request), tier: sampleTier(tier) }, candidate)
}
