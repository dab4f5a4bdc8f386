/**
 * What a result's envelope signs as its body: the request *and* the answer to it.
 *
 * A hash of the answer alone could be shown as the answer to any other request of the same gateway.
 * With the request's hash inside, anybody can check what was answered to what, without having been
 * there: take the request's signed envelope (sender: the gateway) and the result's (sender: the
 * node), hash the request's body and the answer, and compare. Who may not see the request's text
 * takes its hash from the gateway's envelope instead, and the proof holds all the same.
 */
import { assert } from '../base/index.ts'
import { hashLengthBytes } from './envelope.ts'
import { sha256 } from './sha256.ts'

const prefix = Buffer.from('isochrone.v1.result\0')
/** Reused: what is hashed is read at once. */
const bytes = Buffer.alloc(prefix.length + 2 * hashLengthBytes)
bytes.set(prefix)

/**
 * SHA-256, 32 bytes. Both parts have a fixed length, so no two pairs share their bytes.
 *
 * @param requestHash `hashBody` of the request's body, as the request's envelope has it
 * @param outputDigest `OutputHash` of a generation, or `embeddingHash`
 */
export function resultHash(requestHash: Uint8Array, outputDigest: Uint8Array): Uint8Array {
  assert(requestHash.length === hashLengthBytes, 'a request’s hash has 32 bytes')
  assert(outputDigest.length === hashLengthBytes, 'an output’s digest has 32 bytes')
  bytes.set(requestHash, prefix.length)
  bytes.set(outputDigest, prefix.length + hashLengthBytes)
  return sha256(bytes)
}
