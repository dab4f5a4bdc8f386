/**
 * routing: one request → one decision.
 * Gates remove who cannot, an order ranks the rest by evidence, a pick balances load, an explanation says why.
 */
export type { Candidate } from './candidate.ts'
export type { Attempt, Decision, DecisionStore, Ranking, Rejection } from './decision.ts'
export type { Objective, RouteRequest } from './request.ts'
