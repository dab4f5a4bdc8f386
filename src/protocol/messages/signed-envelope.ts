/**
 * A signed envelope as a part of other messages. The signature is checked by `verifyEnvelope`,
 * not here.
 */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import { pooledCopy } from '../../base/index.ts'
import {
  type EnvelopeDomain,
  hashLengthBytes,
  nonceLengthBytes,
  type SignedEnvelope,
} from '../envelope.ts'
import { envelopeLimits } from '../envelope-limits.ts'
import * as wire from '../generated/identity.js'
import { signatureLengthBytes } from '../identity.ts'
import { type ModelDigest, publicKeyOf } from '../ids.ts'
import { type Inclusion, treeHashLengthBytes } from '../merkle-tree.ts'
import {
  checkLength,
  fixedBytesOf,
  modelDigestFrom,
  nodeIdFrom,
  safeNumberOf,
  textOf,
} from './decode.ts'
import { textOffset, uint32, uint53 } from './encode.ts'
import { messageLimits } from './limits.ts'
import { malformed } from './verify-buffer.ts'

export function writeSignedEnvelope(to: Builder, signed: SignedEnvelope): Offset {
  const { envelope, signature } = signed
  const inclusion = signed.inclusion === null ? 0 : writeInclusion(to, signed.inclusion)
  const network = textOffset(to, envelope.network)
  const sender = to.createByteVector(publicKeyOf(envelope.sender))
  const recipient =
    envelope.recipient === null ? 0 : to.createByteVector(publicKeyOf(envelope.recipient))
  const bodyHash = to.createByteVector(envelope.bodyHash)
  const nonce = to.createByteVector(envelope.nonce)
  const digest = digestOffset(to, envelope.modelDigest)
  const signatureOffset = to.createByteVector(signature)
  wire.SignedEnvelope.startSignedEnvelope(to)
  wire.SignedEnvelope.addIssuedAtMs(to, uint53(envelope.issuedAtMs, 'issuedAtMs'))
  wire.SignedEnvelope.addExpiresAtMs(to, uint53(envelope.expiresAtMs, 'expiresAtMs'))
  wire.SignedEnvelope.addNetwork(to, network)
  wire.SignedEnvelope.addSender(to, sender)
  wire.SignedEnvelope.addRecipient(to, recipient)
  wire.SignedEnvelope.addBodyHash(to, bodyHash)
  wire.SignedEnvelope.addNonce(to, nonce)
  wire.SignedEnvelope.addModelDigest(to, digest)
  wire.SignedEnvelope.addSignature(to, signatureOffset)
  wire.SignedEnvelope.addInclusion(to, inclusion)
  wire.SignedEnvelope.addVersion(to, envelope.version)
  wire.SignedEnvelope.addDomain(to, wire.EnvelopeDomain[envelope.domain])
  return wire.SignedEnvelope.endSignedEnvelope(to)
}

export function readSignedEnvelope(table: wire.SignedEnvelope | null): SignedEnvelope {
  if (table === null) throw malformed('there is no envelope')
  const version = table.version()
  if (version !== 1) throw malformed(`an envelope of version ${version}; this program knows 1`)
  const recipient = table.recipientArray()
  const inclusion = table.inclusion()
  return {
    envelope: {
      version,
      domain: domainOf(table.domain()),
      network: textOf(
        table.network(Encoding.UTF8_BYTES),
        'envelope.network',
        messageLimits.networkBytesMax,
      ),
      sender: nodeIdFrom(table.senderArray(), 'envelope.sender'),
      recipient: recipient === null ? null : nodeIdFrom(recipient, 'envelope.recipient'),
      bodyHash: fixedBytesOf(table.bodyHashArray(), 'envelope.body_hash', hashLengthBytes),
      nonce: fixedBytesOf(table.nonceArray(), 'envelope.nonce', nonceLengthBytes),
      issuedAtMs: safeNumberOf(table.issuedAtMs(), 'envelope.issued_at_ms'),
      expiresAtMs: safeNumberOf(table.expiresAtMs(), 'envelope.expires_at_ms'),
      modelDigest: modelDigestFrom(table.modelDigestArray(), 'envelope.model_digest'),
    },
    signature: fixedBytesOf(table.signatureArray(), 'envelope.signature', signatureLengthBytes),
    inclusion: inclusion === null ? null : readInclusion(inclusion),
  }
}

function writeInclusion(to: Builder, { index, treeSize, siblings }: Inclusion): Offset {
  const siblingsOffset = to.createByteVector(siblings)
  wire.Inclusion.startInclusion(to)
  wire.Inclusion.addIndex(to, uint32(index, 'index'))
  wire.Inclusion.addTreeSize(to, uint32(treeSize, 'treeSize'))
  wire.Inclusion.addSiblings(to, siblingsOffset)
  return wire.Inclusion.endInclusion(to)
}

/** Bounded here; that it is the one proof for its place is for `verifyEnvelope` to see. */
function readInclusion(table: wire.Inclusion): Inclusion {
  const siblings = table.siblingsArray() ?? empty
  checkLength(siblings.length, 'envelope.inclusion.siblings', siblingBytesMax)
  return { index: table.index(), treeSize: table.treeSize(), siblings: pooledCopy(siblings) }
}

const siblingBytesMax = envelopeLimits.proofHashesMax * treeHashLengthBytes
const empty = new Uint8Array(0)

/** A digest's 32 bytes; 0, absent, for null. */
export function digestOffset(to: Builder, digest: ModelDigest | null): Offset {
  if (digest === null) return 0
  return to.createByteVector(Buffer.from(digest.slice('sha256:'.length), 'hex'))
}

function domainOf(value: wire.EnvelopeDomain): EnvelopeDomain {
  switch (value) {
    case wire.EnvelopeDomain.request:
      return 'request'
    case wire.EnvelopeDomain.result:
      return 'result'
    case wire.EnvelopeDomain.record:
      return 'record'
    default:
      throw malformed(`an envelope of the unknown domain ${value}`)
  }
}
