/**
 * What makes and checks signatures and chains: Ed25519 and SHA-256, or, in a simulation, sums that
 * cost nothing and that the simulated liars do not attack.
 */
import {
  type ChainPlace,
  type ClusterDigest,
  chainStep,
  type Identity,
  isAnchorSealed,
  isDigestSealed,
  type LoadAnchor,
  type NodeId,
  type Sealed,
  sealClusterDigest,
  sealLoadAnchor,
} from '../../protocol/index.ts'
import type { ChainStep } from './load-chains.ts'

/** For everyone who checks. */
export interface LoadSeals {
  readonly step: ChainStep
  isAnchorSealed(anchor: Sealed<LoadAnchor>): boolean
  isDigestSealed(digest: Sealed<ClusterDigest>): boolean
}

/** For who speaks of itself, or for its cluster. */
export interface OwnSeals extends LoadSeals {
  sealAnchor(anchor: LoadAnchor): Sealed<LoadAnchor>
  sealDigest(digest: ClusterDigest): Sealed<ClusterDigest>
}

export function ed25519Seals(identity: Identity, network: string): OwnSeals {
  return {
    step: chainStep,
    isAnchorSealed: (anchor) => isAnchorSealed(anchor, network),
    isDigestSealed: (digest) => isDigestSealed(digest, network),
    sealAnchor: (anchor) => sealLoadAnchor(identity, network, anchor),
    sealDigest: (digest) => sealClusterDigest(identity, network, digest),
  }
}

/** Not for a network: anybody can make them. The bytes stay empty; `loadMessageBytes` knows. */
export function simulatedSeals(self: NodeId): OwnSeals {
  const signature = tagOf(self)
  return {
    step: cheapStep,
    isAnchorSealed: (anchor) => isTagOf(anchor.value.node, anchor.signature),
    isDigestSealed: (digest) => isTagOf(digest.value.coordinator, digest.signature),
    sealAnchor: (value) => ({ value, bytes: noBytes, signature }),
    sealDigest: (value) => ({ value, bytes: noBytes, signature }),
  }
}

const noBytes = new Uint8Array(0)

function tagOf(id: NodeId): Uint8Array {
  const tag = new Uint8Array(8)
  for (let i = 0; i < tag.length; i += 1) tag[i] = id.charCodeAt(i)
  return tag
}

function isTagOf(id: NodeId, tag: Uint8Array): boolean {
  for (let i = 0; i < 8; i += 1) if (tag[i] !== id.charCodeAt(i)) return false
  return tag.length === 8
}

/** Changes every value, and each chain's and position's differently. */
function cheapStep(bytes: Uint8Array, at: number, place: ChainPlace): void {
  const { chain, position } = place
  const mixed = Math.imul((bytes[at] ?? 0) + chain * 257 + position * 65_537, 0x9e3779b1) >>> 0
  bytes[at] = mixed >>> 24
  bytes[at + 1] = (bytes[at + 1] ?? 0) ^ (mixed >>> 16)
  bytes[at + 2] = (bytes[at + 2] ?? 0) + (mixed >>> 8)
}
