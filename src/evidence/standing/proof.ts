/**
 * What of a notice a stranger can check: that the node itself has signed what no honest node signs.
 *
 * A result says by its node's signature which request it answers, for which model that asked, and
 * what model answered. Where the two differ, the node has contradicted itself, whoever shows it.
 *
 * Nothing else that is severe can be shown. That a signature was wrong, that a result spoke for
 * somebody else, that other words came than those that were signed: whoever says so can have made
 * it up, since what came is signed by nobody. Such a word is a reason to look, and no more.
 */
import {
  bytesOf,
  envelopeFromJson,
  hashLengthBytes,
  isSignedBySender,
  type JsonObject,
  type ModelDigest,
  type NodeId,
  resultHash,
} from '../../protocol/index.ts'

export interface Proof {
  readonly cause: 'result-model'
  /** By the node's clock. */
  readonly atMs: number
  /** What shows it, without anything that whoever brought it may have added. */
  readonly evidence: JsonObject
}

/** @param evidence as whoever brings it has it, or anything at all */
export function proofOf(worker: NodeId, evidence: JsonObject, network: string): Proof | undefined {
  const { asked: askedJson = null, outputHash = null, result: resultJson = null } = evidence
  const asked = envelopeFromJson(askedJson)
  const result = envelopeFromJson(resultJson)
  const output = bytesOf(outputHash, hashLengthBytes)
  if (asked === undefined || result === undefined || output === undefined) return undefined
  const { bodyHash, domain, issuedAtMs, modelDigest, sender } = result.envelope
  const isOfWorker = sender === worker && domain === 'result' && result.envelope.network === network
  const { modelDigest: wanted } = asked.envelope
  if (!isOfWorker || wanted === null || modelDigest === wanted) return undefined
  if (Buffer.compare(resultHash(asked.envelope, output), bodyHash) !== 0) return undefined
  if (!isSignedBySender(result)) return undefined
  const shown = { asked: askedJson, result: resultJson, outputHash }
  return { cause: 'result-model', atMs: issuedAtMs, evidence: shown }
}

/** The model that a notice's evidence speaks of; null: none. */
export function modelOf({ asked = null }: JsonObject): ModelDigest | null {
  return envelopeFromJson(asked)?.envelope.modelDigest ?? null
}
