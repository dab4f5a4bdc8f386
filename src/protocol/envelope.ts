/**
 * The signed envelope (assurance level A0): key K gave this to that recipient, once, and not later.
 *
 * What is signed is a canonical sequence of bytes, not a message's encoding: a prefix that keeps
 * these signatures apart from all others of the same key, then every field with its length before
 * it, so that two different envelopes never have the same bytes. The signature is over these bytes,
 * or over the root of a tree whose leaves are such bytes (`EnvelopeSigner`).
 */
import { timingSafeEqual } from 'node:crypto'
import { assert } from '../base/index.ts'
import { CanonicalWriter } from './canonical-writer.ts'
import { envelopeLimits } from './envelope-limits.ts'
import { IsochroneError } from './errors.ts'
import { type Identity, verifySignature } from './identity.ts'
import { isNodeId, type ModelDigest, type NodeId, publicKeyOf, shortId } from './ids.ts'
import { type Inclusion, leafHash, rootOf } from './merkle-tree.ts'
import type { NonceStore } from './nonce-store.ts'
import { sha256, sha256LengthBytes } from './sha256.ts'
import type { VerifiedRoots } from './verified-roots.ts'

/**
 * What the body is: `request` a request's body, `result` a request and the answer to it (see
 * `resultHash`), `record` a statement.
 */
export const envelopeDomains = ['request', 'result', 'record'] as const
export type EnvelopeDomain = (typeof envelopeDomains)[number]

export interface Envelope {
  readonly version: 1
  readonly domain: EnvelopeDomain
  readonly network: string
  readonly sender: NodeId
  /** null: whoever reads it; never for a request or its result. */
  readonly recipient: NodeId | null
  /** SHA-256, 32 bytes. */
  readonly bodyHash: Uint8Array
  /** 16 random bytes, never used again by this sender. */
  readonly nonce: Uint8Array
  readonly issuedAtMs: number
  readonly expiresAtMs: number
  readonly modelDigest: ModelDigest | null
}

/** What is said of an envelope that one is about to sign. */
export type EnvelopeFields = Omit<Envelope, 'version' | 'sender'>

export interface SignedEnvelope {
  readonly envelope: Envelope
  /** 64 bytes: over the envelope, or over the root of the tree that it lies in. */
  readonly signature: Uint8Array
  /** Where it lies in a tree of several; null: it is signed itself. */
  readonly inclusion: Inclusion | null
}

export interface EnvelopeExpectation {
  readonly expectedDomain: EnvelopeDomain
  readonly network: string
  readonly self: NodeId
  /** Who the connection is authenticated as: the only sender that counts. */
  readonly peer: NodeId
  readonly bodyHash: Uint8Array
  /** What the envelope must say of the model; undefined: whatever it says. */
  readonly modelDigest?: ModelDigest | null
  readonly now: number
  readonly nonces: NonceStore
  /** Without them, the signature of every envelope is verified anew. */
  readonly roots?: VerifiedRoots
}

/**
 * Whether its sender signed it, whenever and for whomever that was: for evidence that is looked at
 * later. What is to be accepted is for `verifyEnvelope`.
 */
export function isSignedBySender(signed: SignedEnvelope): boolean {
  try {
    if (signed.inclusion === null) checkSignature(signed)
    else checkTreeSignature(signed, signed.inclusion, undefined)
    return true
  } catch {
    return false
  }
}

export const hashLengthBytes = sha256LengthBytes
export const nonceLengthBytes = 16

/** SHA-256, 32 bytes: what an envelope says of a body. */
export function hashBody(body: Uint8Array): Uint8Array {
  return sha256(body)
}

/**
 * The bytes that are signed; different envelopes have different bytes.
 * Asserts that the envelope is well-formed; what comes from a wire is checked by its decoder.
 */
export function canonicalBytes(envelope: Envelope): Uint8Array {
  assertWellFormed(envelope)
  const digest = envelope.modelDigest?.slice(modelDigestPrefixLength) ?? ''
  return new CanonicalWriter()
    .bytes(signingPrefix)
    .uint8(envelope.version)
    .text(envelope.domain, 'latin1')
    .text(envelope.network, 'utf8')
    .bytes(publicKeyOf(envelope.sender))
    .bytes(envelope.recipient === null ? empty : publicKeyOf(envelope.recipient))
    .bytes(envelope.bodyHash)
    .bytes(envelope.nonce)
    .uint64(envelope.issuedAtMs)
    .uint64(envelope.expiresAtMs)
    .text(digest, 'hex')
    .done()
}

/**
 * What is signed where envelopes lie in a tree. The size is part of it: a proof holds for one size
 * only.
 */
export function treeStatement(root: Uint8Array, treeSize: number): Uint8Array {
  return new CanonicalWriter().bytes(treeSigningPrefix).uint32(treeSize).bytes(root).done()
}

export function envelopeOf(identity: Identity, fields: EnvelopeFields): Envelope {
  return {
    ...fields,
    version: 1,
    sender: identity.id,
    issuedAtMs: Math.floor(fields.issuedAtMs),
    expiresAtMs: Math.floor(fields.expiresAtMs),
  }
}

/** At once and by itself; where there are many, `EnvelopeSigner` is cheaper. */
export function signEnvelope(identity: Identity, fields: EnvelopeFields): SignedEnvelope {
  const envelope = envelopeOf(identity, fields)
  return { envelope, signature: identity.sign(canonicalBytes(envelope)), inclusion: null }
}

/**
 * An envelope that was accepted: its signature is its sender's, and its nonce was taken. Only
 * `verifyEnvelope` and `PendingEnvelope` make one, so whoever needs one cannot forget to verify.
 */
export type VerifiedEnvelope = Envelope & { readonly [verified]: true }
declare const verified: unique symbol

/** An envelope that passed the cheap checks. It proves nothing until `finish` has returned. */
export class PendingEnvelope {
  readonly #signed: SignedEnvelope
  readonly #expectation: EnvelopeExpectation

  constructor(signed: SignedEnvelope, expectation: EnvelopeExpectation) {
    this.#signed = signed
    this.#expectation = expectation
  }

  /**
   * Verifies the signature and takes the nonce.
   * @throws IsochroneError `invalid_signature`, `envelope_replayed`, `all_nodes_busy`
   */
  finish(): VerifiedEnvelope {
    const { envelope, inclusion } = this.#signed
    if (inclusion === null) checkSignature(this.#signed)
    else checkTreeSignature(this.#signed, inclusion, this.#expectation.roots)
    takeNonce(envelope, this.#expectation.nonces)
    return envelope as VerifiedEnvelope
  }
}

/**
 * Accepts the envelope if it is what it has to be, and remembers its nonce. The order is from cheap
 * to dear; the nonce comes last, so that a forged envelope uses up nobody's.
 * @throws IsochroneError `identity_mismatch`, `invalid_signature`, `envelope_expired`,
 *   `envelope_replayed`,
 *   `all_nodes_busy` when the nonce store is full
 */
export function verifyEnvelope(
  signed: SignedEnvelope,
  expectation: EnvelopeExpectation,
): VerifiedEnvelope {
  return checkedCheaply(signed, expectation).finish()
}

/**
 * The first part of `verifyEnvelope`, which costs little; the second is `finish`. What is begun
 * between the two can be given up again, and nothing of it may be seen outside before `finish`
 * returned. An envelope whose nonce will not be accepted is refused here, so that a replay begins
 * nothing.
 * @throws IsochroneError as `verifyEnvelope`
 */
export function beginVerification(
  signed: SignedEnvelope,
  expectation: EnvelopeExpectation,
): PendingEnvelope {
  const pending = checkedCheaply(signed, expectation)
  const { sender, nonce } = signed.envelope
  // To its end: a forgery with a nonce that was seen is called a forgery.
  if (!expectation.nonces.accepts(sender, nonce)) pending.finish()
  return pending
}

function checkedCheaply(signed: SignedEnvelope, expectation: EnvelopeExpectation): PendingEnvelope {
  const { envelope } = signed
  checkParties(envelope, expectation)
  checkSubject(envelope, expectation)
  checkTime(envelope, expectation.now)
  return new PendingEnvelope(signed, expectation)
}

function checkParties(envelope: Envelope, { peer, self }: EnvelopeExpectation): void {
  if (envelope.sender !== peer) {
    throw new IsochroneError(
      'identity_mismatch',
      `the envelope speaks for ${shortId(envelope.sender)}, but it came from ${shortId(peer)}`,
      { detail: { sender: envelope.sender, peer } },
    )
  }
  const isForAnybody = envelope.recipient === null && envelope.domain === 'record'
  if (envelope.recipient !== self && !isForAnybody) {
    const recipient = envelope.recipient === null ? 'nobody' : shortId(envelope.recipient)
    throw new IsochroneError(
      'identity_mismatch',
      `the envelope is for ${recipient}, and this is ${shortId(self)}`,
      { detail: { recipient: envelope.recipient, self } },
    )
  }
}

function checkSubject(envelope: Envelope, expectation: EnvelopeExpectation): void {
  const { expectedDomain, network, bodyHash } = expectation
  if (envelope.domain !== expectedDomain) {
    const message = `the envelope signs a ${envelope.domain} where a ${expectedDomain} is expected`
    throw new IsochroneError('invalid_signature', message)
  }
  if (envelope.network !== network) {
    const message = `the envelope is for network "${envelope.network}", and this is "${network}"`
    throw new IsochroneError('invalid_signature', message)
  }
  const isSameLength = envelope.bodyHash.length === bodyHash.length
  if (!isSameLength || !timingSafeEqual(envelope.bodyHash, bodyHash)) {
    const message = 'the envelope signs another body than the one that came with it'
    throw new IsochroneError('invalid_signature', message, { detail: { part: 'body' } })
  }
  const { modelDigest } = expectation
  if (modelDigest !== undefined && envelope.modelDigest !== modelDigest) {
    throw new IsochroneError('invalid_signature', 'the envelope speaks of another model', {
      detail: { part: 'model', expected: modelDigest, modelDigest: envelope.modelDigest },
    })
  }
}

function checkTime({ domain, issuedAtMs, expiresAtMs }: Envelope, now: number): void {
  const { clockSkewMaxMs } = envelopeLimits
  const lifeMaxMs = domain === 'result' ? envelopeLimits.resultLifeMaxMs : envelopeLimits.lifeMaxMs
  const detail = { issuedAtMs, expiresAtMs, now }
  if (now > expiresAtMs + clockSkewMaxMs) {
    const message = `the envelope expired ${Math.round(now - expiresAtMs)} ms ago`
    throw new IsochroneError('envelope_expired', message, { detail })
  }
  if (issuedAtMs > now + clockSkewMaxMs) {
    const aheadMs = Math.round(issuedAtMs - now)
    const message = `the envelope was issued ${aheadMs} ms in the future; compare the two clocks`
    throw new IsochroneError('envelope_expired', message, { detail })
  }
  const lifeMs = expiresAtMs - issuedAtMs
  if (lifeMs < 0 || lifeMs > lifeMaxMs) {
    const message = `the envelope’s life is ${lifeMs} ms; it may be 0 to ${lifeMaxMs} ms`
    throw new IsochroneError('envelope_expired', message, { detail })
  }
}

function checkSignature({ envelope, signature }: SignedEnvelope): void {
  if (verifySignature(envelope.sender, canonicalBytes(envelope), signature)) return
  throw new IsochroneError(
    'invalid_signature',
    `the signature is not that of ${shortId(envelope.sender)} over this envelope`,
  )
}

function checkTreeSignature(
  { envelope, signature }: SignedEnvelope,
  inclusion: Inclusion,
  roots: VerifiedRoots | undefined,
): void {
  const { index, treeSize, siblings } = inclusion
  const isTree = treeSize >= treeLeavesMin && treeSize <= envelopeLimits.treeLeavesMax
  const root = isTree ? rootOf(leafHash(canonicalBytes(envelope)), inclusion) : undefined
  if (root === undefined) {
    const detail = { index, treeSize, proofBytes: siblings.length }
    const message =
      `the envelope’s proof has ${siblings.length} bytes, which is none for leaf ${index} of a ` +
      `tree of ${treeSize}; a tree has ${treeLeavesMin} to ${envelopeLimits.treeLeavesMax} leaves`
    throw new IsochroneError('invalid_signature', message, { detail })
  }
  const { sender } = envelope
  const statement = treeStatement(root, treeSize)
  if (roots?.has(sender, statement, signature) === true) return
  if (!verifySignature(sender, statement, signature)) {
    throw new IsochroneError(
      'invalid_signature',
      `the signature is not that of ${shortId(sender)} over a tree that this envelope lies in`,
    )
  }
  roots?.add(sender, statement, signature)
}

function takeNonce(envelope: Envelope, nonces: NonceStore): void {
  const keepUntilMs = envelope.expiresAtMs + envelopeLimits.clockSkewMaxMs
  const outcome = nonces.add(envelope.sender, envelope.nonce, keepUntilMs)
  if (outcome === 'seen') {
    throw new IsochroneError('envelope_replayed', 'the envelope’s nonce was seen before')
  }
  if (outcome === 'full') {
    throw new IsochroneError(
      'all_nodes_busy',
      'too many envelopes are still valid to remember another one; try again later',
    )
  }
}

const signingPrefix = Buffer.from('isochrone.v1.envelope')
const treeSigningPrefix = Buffer.from('isochrone.v1.envelope-tree')
/** A tree of one would be a second way to say the same. */
const treeLeavesMin = 2
const empty = new Uint8Array(0)
const modelDigestPrefixLength = 'sha256:'.length

function assertWellFormed(envelope: Envelope): void {
  assert(isNodeId(envelope.sender), 'an envelope’s sender is a node id')
  assert(envelope.recipient === null || isNodeId(envelope.recipient), 'a recipient is a node id')
  assert(envelope.network.isWellFormed(), 'a network’s name is well-formed text')
  assert(envelope.bodyHash.length === hashLengthBytes, 'a body hash has 32 bytes')
  assert(envelope.nonce.length === nonceLengthBytes, 'a nonce has 16 bytes')
  assert(isTime(envelope.issuedAtMs), 'issuedAtMs is a whole number of ms')
  assert(isTime(envelope.expiresAtMs), 'expiresAtMs is a whole number of ms')
}

function isTime(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
