/** What an answer breaks the rules with, and what shows it to others. */
import type { FaultKind } from '../../evidence/index.ts'
import {
  asIsochroneError,
  envelopeToJson,
  IsochroneError,
  type JsonObject,
  type Receipt,
  resultHash,
  type SignedEnvelope,
} from '../../protocol/index.ts'

/** What was asked, and what came. */
export interface Shown {
  readonly asked: SignedEnvelope
  readonly result?: SignedEnvelope
  /** Of the output that came, with the work and the bill. */
  readonly hash?: Uint8Array
  readonly receipt?: Receipt
}

/**
 * Versions before this one signed the bill as a part of the answer, and nothing of the work. A node
 * that still does is no forger; what it bills cannot be shown to anybody, so nobody takes it.
 */
export function isOfEarlierVersion({ asked, receipt, result }: Shown): boolean {
  if (result === undefined || receipt === undefined) return false
  const { bodyHash } = result.envelope
  return Buffer.compare(resultHash(asked.envelope, receipt.content), bodyHash) === 0
}

/** undefined: an error, but none that breaks the rules. */
export function faultOf(error: unknown): FaultKind | undefined {
  if (!(error instanceof IsochroneError)) return undefined
  switch (error.code) {
    case 'invalid_signature':
      if (error.detail['part'] === 'model') return 'result-model'
      return error.detail['part'] === 'body' ? 'result-content' : 'result-signature'
    case 'identity_mismatch':
      return 'result-identity'
    case 'envelope_replayed':
      return 'result-replayed'
    case 'envelope_expired':
      return 'result-expired'
    case 'malformed_message':
    case 'message_too_large':
      return 'malformed-answer'
    default:
      return undefined
  }
}

/**
 * The two envelopes as they were signed, and the hash of the output that came. No text of a prompt
 * or an answer; and not the request's id, which its body has in it: who is told of this and knows
 * the id could try guesses of the prompt against the hash.
 */
export function faultEvidence(error: unknown, { asked, hash, result }: Shown): JsonObject {
  return {
    found: asIsochroneError(error).message.slice(0, foundLengthMax),
    asked: envelopeToJson(asked),
    result: result === undefined ? null : envelopeToJson(result),
    outputHash: hash === undefined ? null : base64(hash),
  }
}

const foundLengthMax = 512

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
