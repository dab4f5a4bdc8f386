/**
 * What of a notice a stranger can check: that the node itself has signed what no honest node signs.
 *
 * A result says by its node's signature which request it answers, for which model that asked, and
 * what model answered. Where the two differ, the node has contradicted itself, whoever shows it.
 * And whoever coordinates a cluster signs what it hands on, having verified it: a digest with an
 * anchor in it that is forged shows who forged it.
 *
 * Nothing else that is severe can be shown. That a signature was wrong, that a result spoke for
 * somebody else, that other words came than those that were signed: whoever says so can have made
 * it up, since what came is signed by nobody. Such a word is a reason to look, and no more.
 */
import {
  bytesOf,
  type ClusterDigest,
  decodeClusterDigest,
  envelopeFromJson,
  hashLengthBytes,
  isAnchorSealed,
  isDigestSealed,
  isSignedBySender,
  type JsonObject,
  type ModelDigest,
  type NodeId,
  resultHash,
  type Sealed,
  signatureLengthBytes,
} from '../../protocol/index.ts'

export interface Proof {
  readonly cause: 'result-model' | 'forged-statement'
  /** By the node's clock. */
  readonly atMs: number
  /** What shows it, without anything that whoever brought it may have added. */
  readonly evidence: JsonObject
}

/** @param evidence as whoever brings it has it, or anything at all */
export function proofOf(worker: NodeId, evidence: JsonObject, network: string): Proof | undefined {
  return otherModelIn(worker, evidence, network) ?? forgeryIn(worker, evidence, network)
}

/** What a forged digest's evidence is; nothing where it is longer than a cluster's usually is. */
export function digestEvidence({ bytes, signature }: Sealed<ClusterDigest>): JsonObject {
  if (bytes.length > digestBytesMax) return {}
  return {
    digest: Buffer.from(bytes).toString('base64'),
    signature: Buffer.from(signature).toString('base64'),
  }
}

/** A full cluster's, with a new anchor or two; it is kept in the incident, on disk as well. */
const digestBytesMax = 6 * 1024

function forgeryIn(worker: NodeId, evidence: JsonObject, network: string): Proof | undefined {
  const { digest: text = null, signature: signatureText = null } = evidence
  const signature = bytesOf(signatureText, signatureLengthBytes)
  if (typeof text !== 'string' || text.length > 2 * digestBytesMax || signature === undefined) {
    return undefined
  }
  const bytes = new Uint8Array(Buffer.from(text, 'base64'))
  const value = digestFrom(bytes)
  if (value?.coordinator !== worker) return undefined
  if (!isDigestSealed({ value, bytes, signature }, network)) return undefined
  if (value.anchors.every((anchor) => isAnchorSealed(anchor, network))) return undefined
  const shown = { digest: text, signature: signatureText }
  return { cause: 'forged-statement', atMs: value.issuedAtMs, evidence: shown }
}

function digestFrom(bytes: Uint8Array): ClusterDigest | undefined {
  try {
    return decodeClusterDigest(bytes)
  } catch {
    return undefined
  }
}

function otherModelIn(worker: NodeId, evidence: JsonObject, network: string): Proof | undefined {
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
