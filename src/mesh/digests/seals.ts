/**
 * What makes and checks signatures and chains: Ed25519 and SHA-256, or, in a simulation, sums that
 * cost nothing and that the simulated liars do not attack.
 */
import {
  type ChainWay,
  type ClusterDigest,
  chainWalk,
  type Identity,
  isAnchorSealed,
  isDigestSealed,
  type LoadAnchor,
  type NodeId,
  type Sealed,
  sealClusterDigest,
  sealLoadAnchor,
} from '../../protocol/index.ts'
import type { ChainWalk } from './load-chains.ts'

/** For everyone who checks. */
export interface LoadSeals {
  readonly walk: ChainWalk
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
    walk: chainWalk,
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
    walk: cheapWalk,
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

/** A sum of what each chain and place adds: however long the way, it is one product. */
function cheapWalk(bytes: Uint8Array, at: number, way: ChainWay): void {
  const { chain, position, places } = way
  const passed = (places * (2 * position - places + 1)) / 2
  const added = Math.imul(passed, 0x9e3779b1 + 2 * chain)
  for (let i = 0, carried = 0; i < 4; i += 1) {
    const sum = (bytes[at + i] ?? 0) + ((added >>> (8 * i)) & 0xff) + carried
    bytes[at + i] = sum
    carried = sum >>> 8
  }
}
