/** What breaks the rules, how serious it is, and in which words it is told. */

/**
 * `minor`: an observation; several make a cause for the next class. `degraded`: a gate stays shut
 * until a re-check is passed. `severe`: quarantine at once, until an operator ends it or the worker
 * has proven itself (`exit.ts`).
 */
export type FaultClass = 'minor' | 'degraded' | 'severe'

type Row = readonly [FaultClass, string]

const rows = {
  'result-signature': ['severe', 'a result whose signature is not its own'],
  'result-content': ['severe', 'a result that signs something else than what came'],
  'result-model': ['severe', 'a result of another model than the one that was asked for'],
  'result-identity': ['severe', 'a result that speaks for somebody else'],
  'settlement-mismatch': ['severe', 'a bill for far more than it can have delivered'],
  'answers-differ': ['severe', 'answers of another model than others give, again and again'],
  'record-identity': ['severe', 'the record of another node, shown as its own'],
  'forged-statement': ['severe', 'a statement in the mesh whose signature is forged'],
  contradiction: ['degraded', 'two statements of itself that contradict each other'],
  'below-floor': ['degraded', 'answers slower than the floor of their tier'],
  'below-claim': ['degraded', 'answers far slower than it says, and than others keep'],
  overbilled: ['minor', 'a bill for more than it can have delivered'],
  'result-replayed': ['minor', 'a result that was given before'],
  'result-expired': ['minor', 'a result whose signature had expired'],
  'malformed-answer': ['minor', 'an answer that breaks the protocol'],
  'record-signature': ['minor', 'a record of itself that is not valid'],
  'gossip-refused': ['minor', 'gossip that breaks the protocol'],
  'connection-broken': ['minor', 'a connection that breaks the protocol'],
} as const satisfies Readonly<Record<string, Row>>

export type FaultKind = keyof typeof rows
export const faultKinds = Object.keys(rows) as readonly FaultKind[]

export function classOf(kind: FaultKind): FaultClass {
  return rows[kind][0]
}

/** Continues “it gave …”. */
export function faultInWords(kind: FaultKind): string {
  return rows[kind][1]
}
