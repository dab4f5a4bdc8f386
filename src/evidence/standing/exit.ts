/**
 * How a quarantine can end without an operator: the node waits, states anew what it runs, answers
 * questions whose answers are known, and then now and then a request of a client.
 *
 *   quarantined ── waited, attested ──► proving ── right answers ──► probation ── clean ──► closed
 *        ▲                                 │                             │
 *        └──────── a severe fault: twice the wait, and at last an operator alone ──┘
 *
 * Only what work can disprove: whoever spoke as somebody else does not stop being who did so by
 * computing well.
 */
import { isNodeId, type JsonObject, type WorkerId } from '../../protocol/index.ts'
import type { FaultKind } from './fault.ts'
import type { Incident, IncidentCause, IncidentState } from './incident.ts'
import type { Taken } from './steps.ts'

export const exitRules = {
  /** Long enough for an owner to see it and to mend something; nobody is ruined by it. */
  waitMs: 3_600_000,
  /** One, two and four hours; who fails once more is nothing that waiting mends. */
  relapsesMax: 3,
  /** Earlier exits count as relapses for as long. */
  rememberedMs: 30 * 24 * 3_600_000,
} as const

/**
 * Found in what it computed and signed of it: each right answer shows the contrary. All others are
 * about who speaks. A kind that is new leaves by an operator until somebody argues otherwise.
 */
const disprovable: ReadonlySet<IncidentCause> = new Set<FaultKind>([
  'result-signature',
  'result-content',
  'result-model',
  'answers-differ',
])

/** Nothing of a client's goes there as a matter of course. */
export function isConfined(state: IncidentState): boolean {
  return state === 'quarantined' || state === 'proving' || state === 'probation'
}

/** Of which faults it is, the first and those that came later. */
export function causesOf({ cause, steps }: Incident): ReadonlySet<IncidentCause> {
  return new Set([cause, ...steps.flatMap(({ step }) => step.cause ?? [])])
}

/** Work could show the contrary of all that was found. */
export function isDisprovable(incident: Incident): boolean {
  const { subject } = incident
  if (subject.kind !== 'worker' || !isNodeId(subject.worker)) return false
  return [...causesOf(incident)].every((cause) => disprovable.has(cause))
}

/** Work may end it: from a time on, or it is under way. */
export function isLeaving({ shutUntilMs, state }: Incident): boolean {
  return state === 'quarantined' ? shutUntilMs !== null : isConfined(state)
}

/** A statement of what it runs counts now. */
export function mayProveItself({ shutUntilMs, state }: Incident, nowMs: number): boolean {
  if (state === 'quarantined') return shutUntilMs !== null && shutUntilMs <= nowMs
  return isConfined(state)
}

/** Once it has shown what its stage asks for; undefined: it is at none. */
export function stageAfter({ state }: Incident): Pick<Taken, 'kind' | 'state'> | undefined {
  if (state === 'proving') return { kind: 'proved', state: 'probation' }
  return state === 'probation' ? { kind: 'passed', state: 'closed' } : undefined
}

/** It ended by the node's own work. */
function isWorkedOff({ state, steps }: Incident): boolean {
  return (
    state === 'closed' &&
    steps[0]?.step.state === 'quarantined' &&
    steps.at(-1)?.step.kind === 'passed'
  )
}

/** How often a severe fault came while it was proving itself, or on probation. */
function relapsesIn({ steps }: Incident): number {
  let relapses = 0
  for (const [i, { step }] of steps.entries()) {
    const before = steps[i - 1]?.step.state
    const wasLeaving = before === 'proving' || before === 'probation'
    if (step.kind === 'recurred' && wasLeaving) relapses += 1
  }
  return relapses
}

/** What is known of a worker besides the fault that was found. */
export interface History {
  readonly worker: WorkerId
  /** In this incident. */
  readonly relapses: number
  readonly all: Iterable<Incident>
  readonly nowMs: number
}

/** From when on it may prove itself, in place of `shutUntilMs`; nothing: by an operator alone. */
export function provesFrom(
  causes: Iterable<IncidentCause>,
  { all, nowMs, relapses, worker }: History,
): { readonly shutUntilMs?: number } {
  if (!isNodeId(worker)) return {}
  for (const cause of causes) if (!disprovable.has(cause)) return {}
  let before = relapses
  for (const incident of all) {
    const { closedAtMs, subject } = incident
    const isOwn = subject.kind === 'worker' && subject.worker === worker
    const isLately = closedAtMs !== null && nowMs - closedAtMs < exitRules.rememberedMs
    if (isOwn && isLately && isWorkedOff(incident)) before += 1
  }
  if (before >= exitRules.relapsesMax) return {}
  return { shutUntilMs: nowMs + exitRules.waitMs * 2 ** before }
}

/** Another severe fault of one that is quarantined, or that was about to leave. */
export function relapse(
  incident: Incident,
  { evidence, kind: cause }: { readonly kind: FaultKind; readonly evidence: JsonObject },
  historyOf: (relapses: number) => History,
): Taken {
  const { shutUntilMs, state } = incident
  const isStill = state === 'quarantined'
  const history = historyOf(relapsesIn(incident) + (isStill ? 0 : 1))
  // Once it is an operator's to end, it stays so.
  const isOperators = isStill && shutUntilMs === null
  const from = isOperators ? {} : provesFrom([...causesOf(incident), cause], history)
  // A flood of faults would fill the disk; one that ends a probation has to be shown.
  const shown = isStill ? {} : { evidence }
  return { kind: 'recurred', state: 'quarantined', cause, ...shown, ...from }
}

/** An operator ended it then, or the node stated then anew what it runs; -Infinity: neither. */
export function forgivenUntilMs(all: Iterable<Incident>, worker: WorkerId): number {
  let latestMs = Number.NEGATIVE_INFINITY
  for (const incident of all) {
    const { closedAtMs, rulings, state, steps, subject } = incident
    if (subject.kind !== 'worker' || subject.worker !== worker) continue
    if (closedAtMs !== null && rulings.at(-1)?.decision === 'lift') {
      latestMs = Math.max(latestMs, closedAtMs)
    } else if (state !== 'quarantined') {
      const attested = steps.findLast(({ step }) => step.kind === 'attested')
      latestMs = Math.max(latestMs, attested?.step.atMs ?? latestMs)
    }
  }
  return latestMs
}
