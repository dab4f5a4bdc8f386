/**
 * What one gateway tells the others of a node: the very step that it signed. A quarantine is told
 * when it begins, and when it has ended: by an operator, or by the node's own proven work.
 *
 * It proves who says so. Whether it is true is another question: `proof.ts`, `accusations.ts`.
 */
import {
  isNodeId,
  isShallow,
  type JsonObject,
  messageLimits,
  type NodeId,
} from '../../protocol/index.ts'
import { classOf, type FaultKind, faultKinds } from './fault.ts'
import type { Incident, IncidentId, SignedStep, Step } from './incident.ts'
import { verifiedStep } from './steps.ts'

const { noticeBytesMax } = messageLimits

export type Notice = {
  readonly gateway: NodeId
  readonly incident: IncidentId
  /** By the clock of that gateway. */
  readonly atMs: number
} & (
  | {
      readonly kind: 'quarantined'
      readonly worker: NodeId
      readonly cause: FaultKind
      readonly evidence: JsonObject
    }
  | { readonly kind: 'ended'; readonly by: 'operator' | 'work' }
)

/** Why it is not even heard. */
export type NoticeFault = 'oversized' | 'forged' | 'malformed'

/** @param gateway who brings it: nobody hands on what another has signed */
export function readNotice(signed: SignedStep, gateway: NodeId): Notice | NoticeFault {
  if (Buffer.byteLength(signed.json) > noticeBytesMax) return 'oversized'
  const step = verifiedStep(signed, gateway)
  if (step === undefined) return 'forged'
  return noticeOf(step) ?? 'malformed'
}

/** What is to be told of an incident as it stands; undefined: nothing. */
export function tellable({ state, steps, subject }: Incident): SignedStep | undefined {
  if (subject.kind !== 'worker' || !isNodeId(subject.worker)) return undefined
  const told = state === 'closed' ? steps.at(-1) : steps[0]
  const isQuarantine = steps[0]?.step.state === 'quarantined'
  if (told === undefined || !isQuarantine || noticeOf(told.step) === undefined) return undefined
  return Buffer.byteLength(told.signed.json) > noticeBytesMax ? undefined : told.signed
}

function noticeOf(step: Step): Notice | undefined {
  const { atMs, cause, evidence, gateway, incident, kind, ruling, state, subject } = step
  const about = { gateway, incident, atMs }
  if (kind === 'ruled' && state === 'closed' && ruling?.decision === 'lift') {
    return { kind: 'ended', ...about, by: 'operator' }
  }
  if (kind === 'passed' && state === 'closed') return { kind: 'ended', ...about, by: 'work' }
  if (kind !== 'opened' || state !== 'quarantined' || subject?.kind !== 'worker') return undefined
  const fault = faultKinds.find((one) => one === cause)
  if (fault === undefined || classOf(fault) !== 'severe') return undefined
  if (typeof subject.worker !== 'string' || !isNodeId(subject.worker)) return undefined
  if (typeof evidence !== 'object' || evidence === null || !isShallow(evidence)) return undefined
  return { kind: 'quarantined', ...about, worker: subject.worker, cause: fault, evidence }
}
