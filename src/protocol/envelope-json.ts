/**
 * A signed envelope as JSON, for what is kept and shown: bytes in base64, everything else as it is.
 * It can be read back, by whoever wants to check it for himself.
 */
import { json, Validator } from '../base/index.ts'
import {
  envelopeDomains,
  hashLengthBytes,
  nonceLengthBytes,
  type SignedEnvelope,
} from './envelope.ts'
import { envelopeLimits } from './envelope-limits.ts'
import type { JsonObject } from './generation.ts'
import { signatureLengthBytes } from './identity.ts'
import { isModelDigest, isNodeId } from './ids.ts'
import { treeHashLengthBytes } from './merkle-tree.ts'

export function envelopeToJson({ envelope, inclusion, signature }: SignedEnvelope): JsonObject {
  const { bodyHash, nonce, ...plain } = envelope
  return {
    ...plain,
    bodyHash: base64(bodyHash),
    nonce: base64(nonce),
    signature: base64(signature),
    inclusion: inclusion === null ? null : { ...inclusion, siblings: base64(inclusion.siblings) },
  }
}

/** undefined: it is none. Its signature proves nothing yet: `isSignedBySender`. */
export function envelopeFromJson(value: unknown): SignedEnvelope | undefined {
  if (!validator.fits(value)) return undefined
  const { modelDigest, network, recipient, sender } = value
  if (!isNodeId(sender) || !(recipient === null || isNodeId(recipient))) return undefined
  if (!(modelDigest === null || isModelDigest(modelDigest)) || !network.isWellFormed()) {
    return undefined
  }
  const { domain, expiresAtMs, issuedAtMs, version } = value
  const bodyHash = bytesOf(value.bodyHash, hashLengthBytes)
  const nonce = bytesOf(value.nonce, nonceLengthBytes)
  const signature = bytesOf(value.signature, signatureLengthBytes)
  if (bodyHash === undefined || nonce === undefined || signature === undefined) return undefined
  const said = { version, domain, network, issuedAtMs, expiresAtMs }
  const envelope = { ...said, sender, recipient, bodyHash, nonce, modelDigest }
  if (value.inclusion === null) return { envelope, signature, inclusion: null }
  const { index, siblings, treeSize } = value.inclusion
  const hashes = Buffer.from(siblings, 'base64')
  if (hashes.length % treeHashLengthBytes !== 0) return undefined
  return { envelope, signature, inclusion: { index, treeSize, siblings: hashes } }
}

/** From what is kept as JSON; undefined: it is none of this length. */
export function bytesOf(text: unknown, length: number): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length > 2 * length) return undefined
  const bytes = new Uint8Array(Buffer.from(text, 'base64'))
  return bytes.length === length ? bytes : undefined
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** Whether there is such a place in such a tree is for the check of the signature to say. */
const uint32Max = 0xffff_ffff
/** Longer than any of the fields in base64. */
const textLengthMax = 128
const text = json.string({ maxLength: textLengthMax })
const time = json.integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const siblingsLengthMax = 2 * envelopeLimits.proofHashesMax * treeHashLengthBytes

const validator = new Validator(
  json.object({
    version: json.literal(1),
    domain: json.enum(envelopeDomains),
    network: json.string({ maxLength: envelopeLimits.networkBytesMax }),
    sender: text,
    recipient: json.nullable(text),
    bodyHash: text,
    nonce: text,
    issuedAtMs: time,
    expiresAtMs: time,
    modelDigest: json.nullable(text),
    signature: text,
    inclusion: json.nullable(
      json.object({
        index: json.integer({ minimum: 0, maximum: uint32Max }),
        treeSize: json.integer({ minimum: 0, maximum: uint32Max }),
        siblings: json.string({ maxLength: siblingsLengthMax }),
      }),
    ),
  }),
)
