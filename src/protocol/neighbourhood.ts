/**
 * What nodes say of who exists, who is near and which clusters they form. `mesh` says what it
 * means; cards, rosters and standings are claims, each signed by the one that it is the word of.
 */
import type { NodeId } from './ids.ts'
import type { NodeKey } from './node-key.ts'

export interface ClaimedSeal {
  /** Wall-clock ms since 1970, by the signer. */
  readonly issuedAtMs: number
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

/** A measured round trip. */
export interface SaidTrip {
  readonly id: NodeId
  readonly ms: number
}

/** A measured round trip to a witness, which everybody knows. */
export interface SketchedTrip {
  readonly key: NodeKey
  readonly ms: number
}

/** Which cards somebody has, in short, and which others it would take; `mesh` reads it. */
export interface SaidHoldings {
  /** A Bloom filter over the versions of cards. */
  readonly filter: Uint8Array
  readonly salt: number
  /** What is farther from it, as sketches have it, it does not take; 0: everything. */
  readonly reachMs: number
}

/** A place in the space of round trips; eight 32-bit floats on the wire. */
export interface SaidCoordinate {
  readonly position: readonly number[]
  readonly heightMs: number
  readonly adjustmentMs: number
  readonly error: number
}

export interface MeshCardBody {
  readonly kind: 'card'
  readonly id: NodeId
  readonly epoch: number
  readonly cluster: string
  readonly clusterSize: number
  /** Where it can be reached, and that it was admitted; `mesh` reads it. */
  readonly contact: Uint8Array
  readonly sketch: readonly SketchedTrip[]
  readonly coordinate: SaidCoordinate
}

export interface ClusterRosterBody {
  readonly kind: 'roster'
  readonly cluster: string
  readonly version: number
  readonly coordinator: NodeId
  readonly seats: readonly { readonly id: NodeId; readonly epoch: number }[]
}

export interface ClusterStandingBody {
  readonly kind: 'standing'
  readonly id: NodeId
  readonly cluster: string
  readonly epoch: number
  readonly far: readonly NodeId[]
}

export type MeshClaimBody = MeshCardBody | ClusterRosterBody | ClusterStandingBody
export type SignedMeshCard = MeshCardBody & ClaimedSeal
export type SignedClusterRoster = ClusterRosterBody & ClaimedSeal
export type SignedClusterStanding = ClusterStandingBody & ClaimedSeal
export type MeshClaim = SignedMeshCard | SignedClusterRoster | SignedClusterStanding

export type AdmissionVerdict = 'admitted' | 'stale' | 'full' | 'too-far' | 'elsewhere'

export type NeighbourhoodMessage =
  | {
      readonly kind: 'shuffle' | 'shuffle-reply'
      /** Undefined: the receiver has it. */
      readonly card: SignedMeshCard | undefined
      readonly random: readonly SignedMeshCard[]
      /** Further random ones, which the receiver has: hashes of their versions. */
      readonly marks: readonly number[]
      readonly near: readonly SignedMeshCard[]
      readonly witnesses: number
      readonly holdings: SaidHoldings
    }
  | {
      readonly kind: 'shuffle-rest'
      readonly random: readonly SignedMeshCard[]
      readonly marks: readonly number[]
      readonly near: readonly SignedMeshCard[]
    }
  | { readonly kind: 'probe'; readonly nonce: number }
  | {
      readonly kind: 'echo'
      readonly nonce: number
      readonly cluster: string
      readonly coordinate: SaidCoordinate
    }
  | {
      readonly kind: 'roster-wanted'
      readonly cluster: string
      readonly card: SignedMeshCard | undefined
    }
  | {
      readonly kind: 'roster'
      readonly roster: SignedClusterRoster
      readonly coordinator: NodeId
      readonly standings: readonly SignedClusterStanding[]
      readonly cards: readonly SignedMeshCard[]
    }
  | {
      readonly kind: 'roster-change'
      /** Without the seats that `base` has. */
      readonly roster: SignedClusterRoster
      readonly base: number
      /** Whose seats end. */
      readonly gone: readonly NodeId[]
      readonly standings: readonly SignedClusterStanding[]
    }
  | {
      readonly kind: 'ask'
      readonly cluster: string
      readonly version: number
      readonly card: SignedMeshCard
      readonly trips: readonly SaidTrip[]
    }
  | {
      readonly kind: 'answer'
      readonly cluster: string
      readonly verdict: AdmissionVerdict
      readonly roster: SignedClusterRoster
      readonly coordinator: NodeId
      readonly standings: readonly SignedClusterStanding[]
    }
  | { readonly kind: 'standing'; readonly standing: SignedClusterStanding }
  | {
      readonly kind: 'here'
      readonly cluster: string
      readonly version: number
      readonly coordinator: NodeId
      readonly epoch: number
    }
  | { readonly kind: 'here-ack'; readonly cluster: string; readonly version: number }
  | { readonly kind: 'moved'; readonly card: SignedMeshCard }

/** Who must have signed it. */
export function claimantOf(claim: MeshClaimBody): NodeId {
  return claim.kind === 'roster' ? claim.coordinator : claim.id
}

/** Of `SaidCoordinate.position`. */
export const coordinateDimensions = 8

/** In the order of the wire, as 32-bit floats have them. */
export function coordinateFloats(coordinate: SaidCoordinate): Float32Array {
  const { position, heightMs, adjustmentMs, error } = coordinate
  return Float32Array.of(...position, heightMs, adjustmentMs, error)
}
