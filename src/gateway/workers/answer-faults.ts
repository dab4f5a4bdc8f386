/** What an answer breaks the rules with, and what shows it to others. */
import type { FaultKind } from '../../evidence/index.ts'
import {
  asIsochroneError,
  IsochroneError,
  type JsonObject,
  type SignedEnvelope,
} from '../../protocol/index.ts'

/** What was asked, and what came. */
export interface Shown {
  readonly asked: SignedEnvelope
  readonly requestId: string
  readonly result?: SignedEnvelope
  /** Of the output that came. */
  readonly hash?: Uint8Array
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
 * Enough for anybody to check it: the two envelopes as they were signed, and the hash of the output
 * that came. No text of a prompt or an answer.
 */
export function faultEvidence(
  error: unknown,
  { asked, hash, requestId, result }: Shown,
): JsonObject {
  return {
    found: asIsochroneError(error).message.slice(0, foundLengthMax),
    requestId,
    asked: envelopeJson(asked),
    result: result === undefined ? null : envelopeJson(result),
    outputHash: hash === undefined ? null : base64(hash),
  }
}

const foundLengthMax = 512

function envelopeJson({ envelope, inclusion, signature }: SignedEnvelope): JsonObject {
  const { bodyHash, nonce, ...plain } = envelope
  return {
    ...plain,
    bodyHash: base64(bodyHash),
    nonce: base64(nonce),
    signature: base64(signature),
    inclusion: inclusion === null ? null : { ...inclusion, siblings: base64(inclusion.siblings) },
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
