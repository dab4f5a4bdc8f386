/**
 * Signatures of anchors and digests, and the way along the hash chains.
 *
 * What is signed begins with the kind of statement and the network, so that it means nothing
 * elsewhere. Whoever passes a statement on keeps its bytes.
 */
import { hash } from 'node:crypto'
import { type Identity, verifySignature } from './identity.ts'
import { type ClusterDigest, type LoadAnchor, loadChain, type Sealed } from './load-statements.ts'
import { encodeClusterDigest } from './messages/cluster-digest.ts'
import { encodeLoadAnchor } from './messages/load-anchor.ts'
import { nodeKeyLengthBytes } from './node-key.ts'

export function sealLoadAnchor(
  identity: Identity,
  network: string,
  anchor: LoadAnchor,
): Sealed<LoadAnchor> {
  const bytes = encodeLoadAnchor(anchor)
  return { value: anchor, bytes, signature: identity.sign(signed('load-anchor', network, bytes)) }
}

/** Whether the node that the anchor is about signed it. */
export function isAnchorSealed({ value, bytes, signature }: Sealed<LoadAnchor>, network: string) {
  return verifySignature(value.node, signed('load-anchor', network, bytes), signature)
}

export function sealClusterDigest(
  identity: Identity,
  network: string,
  digest: ClusterDigest,
): Sealed<ClusterDigest> {
  const bytes = encodeClusterDigest(digest)
  const signature = identity.sign(signed('cluster-digest', network, bytes))
  return { value: digest, bytes, signature }
}

/** Whether the coordinator that the digest names signed it. */
export function isDigestSealed(
  { value, bytes, signature }: Sealed<ClusterDigest>,
  network: string,
): boolean {
  return verifySignature(value.coordinator, signed('cluster-digest', network, bytes), signature)
}

/** From a value to an earlier one, with what binds both: what is found for one serves no other. */
export interface ChainWay {
  /** 14 bytes: the node's key and the anchor's sequence. */
  readonly salt: Uint8Array
  readonly chain: number
  /** Of the value that goes in; the one that comes out is so many places before. */
  readonly position: number
  readonly places: number
}

export const chainSaltBytes = nodeKeyLengthBytes + 4

/** Replaces the 16 bytes from `at` on by the chain's value at the end of the way. */
export function chainWalk(bytes: Uint8Array, at: number, way: ChainWay): void {
  const { salt, chain, position, places } = way
  const { valueBytes } = loadChain
  stepBytes.set(salt, prefix.length)
  stepBytes[chainAt] = chain
  for (let i = 0; i < valueBytes; i += 1) stepBytes[valueAt + i] = bytes[at + i] ?? 0
  for (let reached = position; reached > position - places; reached -= 1) {
    stepBytes[chainAt + 1] = reached & 0xff
    stepBytes[chainAt + 2] = reached >>> 8
    // As text: a buffer for each result would cost more than the hash (`sha256.ts`).
    const text = hash('sha256', stepBytes, 'latin1')
    for (let i = 0; i < valueBytes; i += 1) stepBytes[valueAt + i] = text.charCodeAt(i)
  }
  for (let i = 0; i < valueBytes; i += 1) bytes[at + i] = stepBytes[valueAt + i] ?? 0
}

/** All of it fits into one block of SHA-256, 55 bytes. */
const prefix = Buffer.from('isochrone.v1.load\0')
const chainAt = prefix.length + chainSaltBytes
const valueAt = chainAt + 3
/** Reused: what is hashed is read at once. */
const stepBytes = Buffer.alloc(valueAt + loadChain.valueBytes)
stepBytes.set(prefix)

function signed(kind: string, network: string, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`isochrone.v1.${kind}\0${network}\0`), bytes])
}
