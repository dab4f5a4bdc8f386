/**
 * Steps of incidents are signed by the gateway that took them, over the very text that is kept, and
 * each names the one before: nobody can take one away or put one in between.
 */
import { createHash } from 'node:crypto'
import {
  type Identity,
  type JsonObject,
  type NodeId,
  verifySignature,
} from '../../protocol/index.ts'
import { faultKinds } from './fault.ts'
import {
  decisions,
  type Incident,
  type IncidentCause,
  type IncidentId,
  type IncidentState,
  incidentCauses,
  incidentStates,
  isIncidentId,
  type Ruling,
  type SignedStep,
  type Step,
  type Subject,
  stepKinds,
} from './incident.ts'

const domain = 'isochrone.v1.incident-step\0'

export function signStep(identity: Identity, step: Step): SignedStep {
  const json = JSON.stringify(step)
  return { json, signature: Buffer.from(identity.sign(signedBytes(json))).toString('base64') }
}

/** The step, where it is well-formed and says that it is this gateway's; nothing is verified. */
export function readStep({ json }: SignedStep, gateway: NodeId): Step | undefined {
  try {
    const step = JSON.parse(json) as unknown
    return isStep(step) && step.gateway === gateway ? step : undefined
  } catch {
    return undefined
  }
}

/** The step, where this gateway signed it and it is well-formed; undefined otherwise. */
export function verifiedStep(signed: SignedStep, gateway: NodeId): Step | undefined {
  return isSigned(signed, gateway) ? readStep(signed, gateway) : undefined
}

export function isSigned({ json, signature }: SignedStep, gateway: NodeId): boolean {
  return verifySignature(gateway, signedBytes(json), Buffer.from(signature, 'base64'))
}

/**
 * Whether this gateway signed all of it. The last step's signature holds for those before it, whose
 * hashes lead to it; the first one's is looked at as well, since others are shown that.
 */
export function isVouchedFor({ steps }: Incident, gateway: NodeId): boolean {
  const [first, last] = [steps[0], steps.at(-1)]
  if (first === undefined || last === undefined || !isSigned(first.signed, gateway)) return false
  return first === last || isSigned(last.signed, gateway)
}

/** What it was before the first step that this gateway did not sign; undefined: nothing. */
export function verifiedPart({ steps }: Incident, gateway: NodeId): Incident | undefined {
  let part: Incident | undefined
  for (const { signed, step } of steps) {
    if (!isSigned(signed, gateway)) break
    part = withStep(part, step, signed)
  }
  return part
}

export function hashOf({ json }: SignedStep): string {
  return createHash('sha256').update(json).digest('base64')
}

/** What is new with a step. */
export interface Taken {
  readonly kind: Step['kind']
  readonly state: IncidentState
  readonly subject?: Subject
  readonly cause?: IncidentCause
  readonly evidence?: JsonObject
  readonly shutUntilMs?: number
  readonly because?: IncidentId
  readonly ruling?: Ruling
}

/** @param before undefined: it is the first */
export function stepAfter(
  before: Incident | undefined,
  taken: Taken,
  about: Pick<Step, 'incident' | 'atMs' | 'gateway'>,
): Step {
  const last = before?.steps.at(-1)
  return {
    incident: about.incident,
    step: (last?.step.step ?? 0) + 1,
    kind: taken.kind,
    atMs: about.atMs,
    gateway: about.gateway,
    previous: last === undefined ? '' : hashOf(last.signed),
    state: taken.state,
    shutUntilMs: taken.shutUntilMs ?? null,
    subject: taken.subject ?? null,
    cause: taken.cause ?? null,
    evidence: taken.evidence ?? null,
    because: taken.because ?? null,
    ruling: taken.ruling ?? null,
  }
}

/** The incident with one more step; undefined where the step does not follow. */
export function withStep(
  incident: Incident | undefined,
  step: Step,
  signed: SignedStep,
): Incident | undefined {
  const last = incident?.steps.at(-1)
  if (step.step !== (last?.step.step ?? 0) + 1) return undefined
  if (step.previous !== (last === undefined ? '' : hashOf(last.signed))) return undefined
  const now = { state: step.state, shutUntilMs: step.shutUntilMs }
  if (incident === undefined) {
    if (step.subject === null || step.cause === null) return undefined
    return {
      id: step.incident,
      subject: step.subject,
      cause: step.cause,
      ...now,
      openedAtMs: step.atMs,
      closedAtMs: null,
      recurrences: 0,
      evidence: step.evidence ?? {},
      because: step.because,
      rulings: [],
      steps: [{ step, signed }],
    }
  }
  return {
    ...incident,
    ...now,
    closedAtMs: step.state === 'closed' ? step.atMs : null,
    recurrences: incident.recurrences + (step.kind === 'recurred' ? 1 : 0),
    because: step.because ?? incident.because,
    rulings: step.ruling === null ? incident.rulings : [...incident.rulings, step.ruling],
    steps: [...incident.steps, { step, signed }],
  }
}

function signedBytes(json: string): Uint8Array {
  return Buffer.from(domain + json)
}

/** What was signed by this gateway's key is of this program: of another version at the most. */
function isStep(value: unknown): value is Step {
  if (typeof value !== 'object' || value === null) return false
  const { incident, step, kind, state, atMs, cause, ruling, subject } = value as Partial<Step>
  const isRuled = ruling === null || decisions.some((one) => one === ruling?.decision)
  const isCaused =
    cause === null || [...faultKinds, ...incidentCauses].some((known) => known === cause)
  const isOfWorker = subject?.kind === 'worker' && isOptionalText(subject.model)
  const isAbout = subject === null || isOfWorker || subject?.kind === 'shared'
  return (
    isRuled &&
    isCaused &&
    isAbout &&
    typeof incident === 'string' &&
    isIncidentId(incident) &&
    Number.isSafeInteger(step) &&
    Number.isFinite(atMs) &&
    stepKinds.some((one) => one === kind) &&
    incidentStates.some((one) => one === state)
  )
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}
