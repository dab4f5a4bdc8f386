/**
 * What a result's envelope signs as its body: the request *and* the answer to it.
 *
 * A hash of the answer alone could be shown as the answer to any other request of the same gateway.
 * With the request inside, anybody can check what was answered to what, without having been there:
 * take the request's envelope (sender: the gateway) and the result's (sender: the node), hash the
 * request's body and the answer, and compare. Who may not see the request's text takes its hash
 * from the gateway's envelope instead, and the proof holds all the same.
 *
 * The envelope's nonce and the model that it names are inside too. A gateway can sign a second
 * envelope over the same body at any time, with another model in it; the node's own signature says
 * which of them it has answered.
 */
import { assert } from '../base/index.ts'
import { type Envelope, hashLengthBytes, nonceLengthBytes } from './envelope.ts'
import { sha256 } from './sha256.ts'

/** What of a request's envelope its result is bound to. */
export type AskedFields = Pick<Envelope, 'bodyHash' | 'nonce' | 'modelDigest'>

const prefix = Buffer.from('isochrone.v1.result\0')
const nonceAt = prefix.length + hashLengthBytes
const modelAt = nonceAt + nonceLengthBytes
/** 1 and the digest, or 0 where the request names no model. */
const digestAt = modelAt + 1
const outputAt = digestAt + hashLengthBytes
/** Reused: what is hashed is read at once. */
const bytes = Buffer.alloc(outputAt + hashLengthBytes)
bytes.set(prefix)

/**
 * SHA-256, 32 bytes. All parts have a fixed length, so no two lists of them share their bytes.
 *
 * @param asked of the request's envelope; the hash is `hashBody` of the request's body
 * @param outputDigest `receiptHash` of an answer, or `attestationHash`
 */
export function resultHash(asked: AskedFields, outputDigest: Uint8Array): Uint8Array {
  const { bodyHash, modelDigest, nonce } = asked
  assert(bodyHash.length === hashLengthBytes, 'a request’s hash has 32 bytes')
  assert(nonce.length === nonceLengthBytes, 'a nonce has 16 bytes')
  assert(outputDigest.length === hashLengthBytes, 'an output’s digest has 32 bytes')
  bytes.set(bodyHash, prefix.length)
  bytes.set(nonce, nonceAt)
  bytes[modelAt] = modelDigest === null ? 0 : 1
  if (modelDigest === null) bytes.fill(0, digestAt, outputAt)
  else bytes.write(modelDigest.slice('sha256:'.length), digestAt, 'hex')
  bytes.set(outputDigest, outputAt)
  return sha256(bytes)
}
