/**
 * What of a notice a stranger can check: that the node itself has signed what no honest node signs.
 *
 * A result says by its node's signature which request it answers, for which model that asked, and
 * what model answered. Where the two differ, the node has contradicted itself, whoever shows it.
 * And whoever coordinates a cluster signs what it hands on, having verified it: a digest with an
 * anchor in it that is forged shows who forged it.
 *
 * A bill lies in the answer's receipt beside the work that it is for, in figures: one for far more
 * than that work can be shows itself. A gateway can neither make the node sign it, nor change what
 * it signed.
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
  envelopeToJson,
  hashLengthBytes,
  isAnchorSealed,
  isDigestSealed,
  isSignedBySender,
  type JsonObject,
  type JsonValue,
  type ModelDigest,
  type NodeId,
  type Receipt,
  receiptFromJson,
  receiptHash,
  receiptToJson,
  resultHash,
  type Sealed,
  type SignedEnvelope,
  signatureLengthBytes,
} from '../../protocol/index.ts'
import { type BillRules, billInWords, faultOfBill } from './bill.ts'

export interface Proof {
  readonly cause: 'result-model' | 'forged-statement' | 'settlement-mismatch'
  /** By the node's clock. */
  readonly atMs: number
  /** What shows it, without anything that whoever brought it may have added. */
  readonly evidence: JsonObject
}

/** Whoever looks at a proof. */
export interface ProofJudge {
  readonly network: string
  readonly bills: BillRules
}

/** @param evidence as whoever brings it has it, or anything at all */
export function proofOf(
  worker: NodeId,
  evidence: JsonObject,
  { bills, network }: ProofJudge,
): Proof | undefined {
  const { outputHash = null } = evidence
  const output = bytesOf(outputHash, hashLengthBytes)
  const receipt = receiptFromJson(evidence)
  return (
    (output && otherModelIn(signedIn(worker, evidence, { network, output }))) ??
    (receipt && falseBillIn(signedIn(worker, evidence, { network, receipt }), bills)) ??
    forgeryIn(worker, evidence, network)
  )
}

/** What of an incident’s evidence shows the bill, besides the two envelopes. */
export function billEvidence(receipt: Receipt): JsonObject {
  return { found: billInWords(receipt), ...receiptToJson(receipt) }
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

/** A result, and the request that it answers: the node has signed that it does. */
interface SignedAnswer<T> {
  readonly asked: SignedEnvelope
  readonly result: SignedEnvelope
  readonly envelopes: { readonly asked: JsonValue; readonly result: JsonValue }
  readonly of: T
}

type Shown = { readonly output: Uint8Array } | { readonly receipt: Receipt }

function signedIn<T extends Shown>(
  worker: NodeId,
  evidence: JsonObject,
  shown: T & Pick<ProofJudge, 'network'>,
): SignedAnswer<T> | undefined {
  const { asked: askedJson = null, result: resultJson = null } = evidence
  const asked = envelopeFromJson(askedJson)
  const result = envelopeFromJson(resultJson)
  if (asked === undefined || result === undefined) return undefined
  const { bodyHash, domain, network, sender } = result.envelope
  if (sender !== worker || domain !== 'result' || network !== shown.network) return undefined
  const output = 'output' in shown ? shown.output : receiptHash(shown.receipt)
  if (Buffer.compare(resultHash(asked.envelope, output), bodyHash) !== 0) return undefined
  if (!isSignedBySender(result)) return undefined
  const envelopes = { asked: envelopeToJson(asked), result: envelopeToJson(result) }
  return { asked, result, envelopes, of: shown }
}

function otherModelIn(
  signed: SignedAnswer<{ readonly output: Uint8Array }> | undefined,
): Proof | undefined {
  if (signed === undefined) return undefined
  const { asked, envelopes, of, result } = signed
  const wanted = asked.envelope.modelDigest
  if (wanted === null || result.envelope.modelDigest === wanted) return undefined
  const outputHash = Buffer.from(of.output).toString('base64')
  const atMs = result.envelope.issuedAtMs
  return { cause: 'result-model', atMs, evidence: { ...envelopes, outputHash } }
}

function falseBillIn(
  signed: SignedAnswer<{ readonly receipt: Receipt }> | undefined,
  rules: BillRules,
): Proof | undefined {
  if (signed === undefined) return undefined
  const { receipt } = signed.of
  if (faultOfBill(receipt, rules) !== 'settlement-mismatch') return undefined
  const evidence = { ...signed.envelopes, ...billEvidence(receipt) }
  return { cause: 'settlement-mismatch', atMs: signed.result.envelope.issuedAtMs, evidence }
}

/** The model that a notice's evidence speaks of; null: none. */
export function modelOf({ asked = null }: JsonObject): ModelDigest | null {
  return envelopeFromJson(asked)?.envelope.modelDigest ?? null
}
