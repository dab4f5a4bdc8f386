/**
 * Incidents: serious things that are never averaged. Each is a chain of signed steps; what it is
 * now follows from them.
 */
import type { JsonObject, NodeId, WorkerId } from '../../protocol/index.ts'
import { classOf, type FaultKind, faultInWords } from './fault.ts'

export type IncidentId = `inc_${string}`

export function isIncidentId(text: string): text is IncidentId {
  return /^inc_[a-z2-7]{26}$/.test(text)
}

/** What several workers have in common. */
export const traits = ['engine', 'version', 'gateway'] as const
export type Trait = (typeof traits)[number]

export type Subject =
  | {
      readonly kind: 'worker'
      readonly worker: WorkerId
      /** Of this model alone; absent: whatever it serves. */
      readonly model?: string
    }
  /** Suspicion falls on what they share. */
  | { readonly kind: 'shared'; readonly trait: Trait; readonly value: string }

export const incidentCauses = ['repeated-faults', 'failed-together', 'lost-together'] as const
export type IncidentCause = FaultKind | (typeof incidentCauses)[number]

export const incidentStates = [
  /** No request goes there until an operator decides, or until it may prove itself. */
  'quarantined',
  /** It has attested what it runs, and answers questions of this gateway; no client's request. */
  'proving',
  /** It has answered rightly, and gets a request of a client now and then. */
  'probation',
  /** No request goes there for a while. */
  'shut',
  /** It is re-checked by requests: some good answers end it, another fault shuts the gate again. */
  'trial',
  /** Many failed together: nothing follows for this one until an operator decides. */
  'suspended',
  /** Of what many share: an operator is asked. */
  'asked',
  'closed',
] as const
export type IncidentState = (typeof incidentStates)[number]

/** What an operator can decide; `attest`: a quarantined node may prove itself from now on. */
export const decisions = ['lift', 'uphold', 'attest'] as const
export type OperatorDecision = (typeof decisions)[number]

export interface Ruling {
  readonly decision: OperatorDecision
  readonly reason: string
  /** What the worker's owner had to say; null: nothing. */
  readonly appeal: string | null
  /** Names the key of whoever decided. */
  readonly by: string
}

export const stepKinds = [
  ...(['opened', 'recurred', 'trial', 'suspended', 'passed', 'ruled'] as const),
  /** The node has stated anew what it runs. */
  'attested',
  /** It has answered what this gateway asked. */
  'proved',
] as const

/** One step, as it is signed. */
export interface Step {
  readonly incident: IncidentId
  /** 1 for the first. */
  readonly step: number
  readonly kind: (typeof stepKinds)[number]
  readonly atMs: number
  readonly gateway: NodeId
  /** SHA-256 of the step before, in base64; empty for the first. */
  readonly previous: string
  /** From this step on. */
  readonly state: IncidentState
  /** Of a quarantine: from when on the node may prove itself; null: an operator alone ends it. */
  readonly shutUntilMs: number | null
  /** Of the first. */
  readonly subject: Subject | null
  /** Of the first, and of a fault that came later. */
  readonly cause: IncidentCause | null
  readonly evidence: JsonObject | null
  /** Of `suspended`: the incident of what they share. */
  readonly because: IncidentId | null
  readonly ruling: Ruling | null
}

export interface SignedStep {
  /** The very text that was signed. */
  readonly json: string
  /** Base64. */
  readonly signature: string
}

/** An incident as it is now. */
export interface Incident {
  readonly id: IncidentId
  readonly subject: Subject
  readonly cause: IncidentCause
  readonly state: IncidentState
  readonly openedAtMs: number
  readonly closedAtMs: number | null
  readonly shutUntilMs: number | null
  /** How often it came again. */
  readonly recurrences: number
  readonly evidence: JsonObject
  readonly because: IncidentId | null
  readonly rulings: readonly Ruling[]
  readonly steps: readonly { readonly step: Step; readonly signed: SignedStep }[]
}

/** What routing needs to know; undefined in its place: nothing stands against the worker. */
export interface Standing {
  readonly state: 'quarantined' | 'probation' | 'degraded'
  readonly incident: IncidentId
  /** Why, naming the incident. */
  readonly words: string
  /** For this model alone; absent: whatever it serves. */
  readonly model?: string
  /** On probation: a client's request may go there now, to try it. */
  readonly takes?: true
}

/** Where steps are kept. What `flush` has resolved for survives a restart. */
export interface IncidentStore {
  append(step: SignedStep, of: Pick<Step, 'incident' | 'step'>): void
  flush(): Promise<void>
  /** In the order in which they were appended; what waits for the disk is not among them. */
  all(): Iterable<SignedStep>
  /** Those of one incident, in their order; as `all` has them. */
  of(incident: IncidentId): Iterable<SignedStep>
}

export function classOfCause(cause: IncidentCause): 'degraded' | 'severe' {
  if (cause === 'repeated-faults' || cause.endsWith('-together')) return 'degraded'
  return classOf(cause as FaultKind) === 'severe' ? 'severe' : 'degraded'
}

export function causeInWords(cause: IncidentCause): string {
  switch (cause) {
    case 'repeated-faults':
      return 'faults that came again and again'
    case 'failed-together':
      return 'faults of many workers at the same time'
    case 'lost-together':
      return 'the loss of many workers at the same time'
    default:
      return faultInWords(cause)
  }
}

/** undefined: whatever the worker serves, or something that several share. */
export function modelOf({ subject }: Pick<Incident, 'subject'>): string | undefined {
  return subject.kind === 'worker' ? subject.model : undefined
}

type Known = Pick<Incident, 'cause' | 'id' | 'openedAtMs' | 'shutUntilMs' | 'state' | 'subject'>

export function standingOf(incident: Known): Standing | undefined {
  const { cause, id, openedAtMs, shutUntilMs, state } = incident
  const why = `incident ${id}: ${causeInWords(cause)}`
  const model = modelOf(incident)
  const about = { incident: id, ...(model === undefined ? {} : { model }) }
  const since = new Date(openedAtMs).toISOString()
  if (state === 'quarantined') {
    return { state, ...about, words: `quarantined since ${since} by ${why}` }
  }
  if (state === 'proving' || state === 'probation') {
    const words = `on probation after a quarantine since ${since} by ${why}`
    return { state: 'probation', ...about, words, ...(state === 'proving' ? {} : { takes: true }) }
  }
  if (state !== 'shut') return undefined
  const until = new Date(shutUntilMs ?? openedAtMs).toISOString()
  return { state: 'degraded', ...about, words: `degraded until ${until} by ${why}` }
}

/** What shuts more out weighs more. */
export function weightOf(standing: Standing | undefined): number {
  if (standing === undefined) return 0
  if (standing.takes === true) return 1
  return standing.state === 'quarantined' ? 3 : 2
}
