/**
 * A node's record with the signature of the node's own key over its very bytes.
 *
 * Who only passes a record on keeps the bytes: a record that was decoded and encoded again would
 * lose what a newer program had put into it, and with that its signature.
 */
import { envelopeLimits } from './envelope-limits.ts'
import { IsochroneError } from './errors.ts'
import { type Identity, verifySignature } from './identity.ts'
import { shortId } from './ids.ts'
import { decodeNodeRecord, encodeNodeRecord } from './messages/node-record.ts'
import type { NodeRecord } from './node-record.ts'

export interface SignedNodeRecord {
  /** What the bytes say; to be believed once `verifyNodeRecord` has passed them. */
  readonly record: NodeRecord
  /** FlatBuffers. */
  readonly bytes: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** A record is renewed within minutes; older statements about a machine are worth little. */
export const recordLifeMaxMs = 24 * 60 * 60 * 1000

export function signNodeRecord(identity: Identity, record: NodeRecord): SignedNodeRecord {
  const bytes = encodeNodeRecord(record)
  return { record, bytes, signature: identity.sign(signedBytes(bytes)) }
}

/**
 * The record, if its own node signed these bytes and it is valid now. That the node is the
 * connection's peer is for the caller to check.
 * @throws IsochroneError `malformed_message`, `invalid_signature`, `envelope_expired`
 */
export function verifyNodeRecord(
  bytes: Uint8Array,
  signature: Uint8Array,
  now: number,
): NodeRecord {
  const record = decodeNodeRecord(bytes)
  checkTime(record, now)
  if (!verifySignature(record.id, signedBytes(bytes), signature)) {
    const message = `the signature is not that of ${shortId(record.id)} over this record`
    throw new IsochroneError('invalid_signature', message)
  }
  return record
}

function checkTime({ issuedAtMs, expiresAtMs }: NodeRecord, now: number): void {
  const { clockSkewMaxMs } = envelopeLimits
  const detail = { issuedAtMs, expiresAtMs, now }
  if (now > expiresAtMs + clockSkewMaxMs) {
    throw new IsochroneError('envelope_expired', 'the node’s record has expired', { detail })
  }
  if (issuedAtMs > now + clockSkewMaxMs) {
    const message = 'the node’s record was issued in the future; compare the two clocks'
    throw new IsochroneError('envelope_expired', message, { detail })
  }
  const lifeMs = expiresAtMs - issuedAtMs
  if (lifeMs < 0 || lifeMs > recordLifeMaxMs) {
    const message = `the node’s record lives ${lifeMs} ms; it may be 0 to ${recordLifeMaxMs} ms`
    throw new IsochroneError('envelope_expired', message, { detail })
  }
}

const signingPrefix = Buffer.from('isochrone.v1.node-record\0')

function signedBytes(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([signingPrefix, bytes])
}
