/**
 * A node's statement of what it runs, against what this gateway knows of it. What passes is no
 * proof that the machine is as it says: only that it says the same, now, with its own key.
 */
import {
  type Attestation,
  type AttestedModel,
  decodeAttestation,
  envelopeToJson,
  type JsonObject,
  messageLimits,
  type NodeRecord,
  type OfferedModel,
} from '../../protocol/index.ts'
import type { Attested } from './remote-worker.ts'
import { canBeAsked } from './small-questions.ts'

/** Two clocks may differ by half a minute, and a check of itself is made once in a minute. */
const selfCheckMsMax = 5 * 60_000

/**
 * Of which models it is to be examined: of that one first, if it still serves it.
 * @param first of which the incident speaks; null: of none
 */
export function examinable(
  models: readonly OfferedModel[],
  first: OfferedModel['digest'],
): readonly OfferedModel[] {
  const asked = models.filter(canBeAsked)
  const isFirst = ({ digest }: OfferedModel) => first !== null && digest === first
  const ordered = [...asked.filter(isFirst), ...asked.filter((one) => !isFirst(one))]
  return ordered.slice(0, messageLimits.attestedModelsMax)
}

/**
 * What does not fit; undefined: it counts.
 * @param names of the models that were asked about
 */
export function flawOf(
  { asked, statement }: Attested,
  record: NodeRecord,
  names: readonly string[],
): string | undefined {
  const attestation = read(statement)
  if (attestation === undefined) return 'it is malformed'
  const { models, selfCheck } = attestation
  const missing = names.find((name) => !models.some((model) => model.name === name))
  if (missing !== undefined) return `it says nothing of the model ${missing}`
  if (Math.abs(selfCheck.atMs - asked.envelope.issuedAtMs) > selfCheckMsMax) {
    return 'its check of itself is not of now'
  }
  if (selfCheck.integerExact !== record.hardware.integerExact) {
    return 'its check of itself found something else than its record says'
  }
  return isStillSo(attestation, record) ? undefined : 'its record says something else'
}

/** Whether the node still says of itself what it attested. */
export function isStillSo(
  { models, softwareVersion }: Attestation,
  record: Pick<NodeRecord, 'models' | 'softwareVersion'>,
): boolean {
  if (record.softwareVersion !== softwareVersion) return false
  return models.every((model) => record.models.some((offer) => isSameModel(model, offer)))
}

export function isSameModel(a: AttestedModel, b: AttestedModel): boolean {
  return (
    a.name === b.name &&
    a.digest === b.digest &&
    a.runtime === b.runtime &&
    a.quantisation === b.quantisation
  )
}

/** For the step: what anybody can verify afterwards. */
export function attestationEvidence({ asked, result, statement }: Attested): JsonObject {
  return {
    statement: Buffer.from(statement).toString('utf8'),
    asked: envelopeToJson(asked),
    result: envelopeToJson(result),
  }
}

/** What it attested last, of an incident's step; undefined: nothing that this version reads. */
export function attestedIn(evidence: JsonObject | null): Attestation | undefined {
  const { statement } = evidence ?? {}
  return typeof statement === 'string' ? read(Buffer.from(statement)) : undefined
}

function read(statement: Uint8Array): Attestation | undefined {
  try {
    return decodeAttestation(statement)
  } catch {
    return undefined
  }
}
