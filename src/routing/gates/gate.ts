/**
 * A gate: one check that a candidate passes or not, with what was required and what was found.
 *
 * A check gives a bare value, not words: a decision checks thousands of candidates, and words are
 * made only when somebody reads them.
 */
import type { Candidate } from '../candidate.ts'
import type { Demand } from '../prediction.ts'

/** What a rejected candidate had: a value that the gate itself can put into words. */
export type Fact = string | number | readonly string[] | readonly [number, number]

export interface Gate {
  readonly name: string
  /** Whoever fails only such gates could serve the request at another time. */
  readonly temporary: boolean
  /** false: the request asks for nothing that this gate checks. */
  applies(demand: Demand): boolean
  /** undefined: the candidate passes. */
  check(candidate: Candidate, demand: Demand): Fact | undefined
  required(demand: Demand): string
  actual(fact: Fact): string
}
