/**
 * Signed envelopes (assurance level A0): key K said this about this body, to this recipient, once.
 *
 * What is signed is a canonical form: a fixed head with the domain, then every field with its length before it,
 * so that no two envelopes have the same bytes and none passes for one of another domain.
 */
import { timingSafeEqual } from 'node:crypto'
import type { ErrorCode } from './error-codes.ts'
import { IsochroneError } from './errors.ts'
import { type Identity, verifySignature } from './identity.ts'
import type { ModelDigest, NodeId } from './ids.ts'
import type { NonceStore } from './nonce-store.ts'

export const envelopeDomains = ['request', 'result', 'record'] as const
export type EnvelopeDomain = (typeof envelopeDomains)[number]

export interface Envelope {
  readonly version: 1
  readonly domain: EnvelopeDomain
  readonly network: string
  readonly sender: NodeId
  /** null: for anybody. */
  readonly recipient: NodeId | null
  /** SHA-256 of what the envelope speaks of, 32 bytes. */
  readonly bodyHash: Uint8Array
  /** 16 bytes. */
  readonly nonce: Uint8Array
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  readonly modelDigest: ModelDigest | null
}

export interface SignedEnvelope {
  readonly envelope: Envelope
  /** 64 bytes. */
  readonly signature: Uint8Array
}

export const envelopeLimits = {
  hashLengthBytes: 32,
  nonceLengthBytes: 16,
  networkNameBytesMax: 128,
  /** Clocks of home machines differ by seconds; NTP keeps most below one. */
  clockSkewMaxMs: 10_000,
  /** A nonce must be remembered for as long as its envelope lives. */
  lifetimeMaxMs: 120_000,
  /** How long a request's or result's envelope lives: longer than any path takes. */
  lifetimeMs: 60_000,
} as const

export interface EnvelopeExpectation {
  readonly expectedDomain: EnvelopeDomain
  readonly network: string
  /** This side's own id: envelopes to others are refused. */
  readonly self: NodeId
  /** The authenticated peer of the connection that brought the envelope. */
  readonly peer: NodeId
  /** What the receiver computed itself over the body. */
  readonly bodyHash: Uint8Array
  /** ms since 1970 */
  readonly now: number
  readonly nonces: NonceStore
}

/** Fills in version and sender, and signs. */
export function signEnvelope(
  identity: Identity,
  fields: Omit<Envelope, 'version' | 'sender'>,
): SignedEnvelope {
  const envelope: Envelope = { version: 1, ...fields, sender: identity.id }
  return { envelope, signature: identity.sign(canonicalBytes(envelope)) }
}

/**
 * Checks everything; the nonce last, so that a forged envelope cannot use one up.
 * Errors: `identity_mismatch`, `envelope_expired`, `invalid_signature`, `envelope_replayed`, `malformed_message`.
 */
export function verifyEnvelope(signed: SignedEnvelope, expected: EnvelopeExpectation): void {
  const { envelope, signature } = signed
  if (envelope.sender !== expected.peer) {
    refuse('identity_mismatch', 'An envelope names another sender than the peer that brought it.')
  }
  if (envelope.recipient !== expected.self) {
    refuse('identity_mismatch', 'An envelope is meant for another recipient.')
  }
  if (envelope.domain !== expected.expectedDomain || envelope.network !== expected.network) {
    refuse('identity_mismatch', 'An envelope belongs to another domain or network.')
  }
  if (!sameBytes(envelope.bodyHash, expected.bodyHash)) {
    refuse('invalid_signature', 'An envelope does not speak of the body that came with it.')
  }
  refuseUntimely(envelope, expected.now)
  if (!verifySignature(envelope.sender, canonicalBytes(envelope), signature)) {
    refuse('invalid_signature', 'The signature of an envelope does not fit its sender.')
  }
  const forgetAtMs = envelope.expiresAtMs + envelopeLimits.clockSkewMaxMs
  const outcome = expected.nonces.add(envelope.sender, envelope.nonce, forgetAtMs)
  if (outcome !== 'new') {
    const why = outcome === 'seen' ? 'was seen before' : 'cannot be remembered: too many requests'
    refuse('envelope_replayed', `The nonce of an envelope ${why}.`)
  }
}

function refuseUntimely(envelope: Envelope, now: number): void {
  const { clockSkewMaxMs, lifetimeMaxMs } = envelopeLimits
  const untimely =
    now > envelope.expiresAtMs + clockSkewMaxMs ||
    now < envelope.issuedAtMs - clockSkewMaxMs ||
    envelope.expiresAtMs - envelope.issuedAtMs > lifetimeMaxMs
  if (untimely) {
    refuse('envelope_expired', 'An envelope is past its time or too far ahead: compare the clocks.')
  }
}

const canonicalHead = Buffer.from('isochrone envelope\0', 'latin1')
const encoder = new TextEncoder()

/** The bytes that are signed: injective, in a fixed order, each variable field behind its u32 length. */
export function canonicalBytes(envelope: Envelope): Uint8Array {
  const text = [
    envelope.domain,
    envelope.network,
    envelope.sender,
    envelope.recipient ?? '',
    envelope.modelDigest ?? '',
  ].map((part) => encoder.encode(part))
  const parts = [...text, envelope.bodyHash, envelope.nonce]
  const length = parts.reduce((sum, part) => sum + 4 + part.length, canonicalHead.length + 1 + 16)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  bytes.set(canonicalHead)
  let at = canonicalHead.length
  bytes[at] = envelope.version
  at += 1
  view.setBigUint64(at, BigInt(envelope.issuedAtMs))
  view.setBigUint64(at + 8, BigInt(envelope.expiresAtMs))
  at += 16
  for (const part of parts) {
    view.setUint32(at, part.length)
    bytes.set(part, at + 4)
    at += 4 + part.length
  }
  return bytes
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function refuse(code: ErrorCode, message: string): never {
  throw new IsochroneError(code, message)
}
