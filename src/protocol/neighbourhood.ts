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
  /** Raised with each change of cluster, also across restarts: the latest epoch is the place. */
  readonly epoch: number
  readonly cluster: string
  readonly clusterSize: number
  /** Where it can be reached, and that it was admitted; `mesh` reads it. */
  readonly contact: Uint8Array
  /** Its round trips to the witnesses, in the order of their ids, each once. */
  readonly sketch: readonly SketchedTrip[]
  readonly coordinate: SaidCoordinate
}

/** Who is in. */
export interface ClusterSeat {
  readonly id: NodeId
  /** Of the member's place: a seat with an older one is void. */
  readonly epoch: number
}

export interface ClusterRosterBody {
  readonly kind: 'roster'
  readonly cluster: string
  /** Raised with each change. */
  readonly version: number
  readonly coordinator: NodeId
  /** In the order of admission: the first of those present is the coordinator. */
  readonly seats: readonly ClusterSeat[]
}

export interface ClusterStandingBody {
  readonly kind: 'standing'
  readonly id: NodeId
  readonly cluster: string
  readonly epoch: number
  /** Members to whom its measured round trip is above the bound. */
  readonly far: readonly NodeId[]
}

export type MeshClaimBody = MeshCardBody | ClusterRosterBody | ClusterStandingBody
export type SignedMeshCard = MeshCardBody & ClaimedSeal
export type SignedClusterRoster = ClusterRosterBody & ClaimedSeal
export type SignedClusterStanding = ClusterStandingBody & ClaimedSeal
export type MeshClaim = SignedMeshCard | SignedClusterRoster | SignedClusterStanding

export type AdmissionVerdict =
  | 'admitted'
  /** Others have come meanwhile: to be measured first. */
  | 'stale'
  | 'full'
  | 'too-far'
  /** Ask the one named in the roster. */
  | 'elsewhere'

export type NeighbourhoodMessage =
  | {
      readonly kind: 'shuffle' | 'shuffle-reply'
      /** Undefined: the receiver has it. */
      readonly card: SignedMeshCard | undefined
      readonly random: readonly SignedMeshCard[]
      /** Further random ones, which the receiver has: hashes of their versions. */
      readonly marks: readonly number[]
      /** Those nearest to the receiver; and witnesses, where the two disagree on them. */
      readonly near: readonly SignedMeshCard[]
      /** Which witnesses the sender has. */
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
  /** With the card of one who wants to join: the cards of those farthest from it come along. */
  | {
      readonly kind: 'roster-wanted'
      readonly cluster: string
      readonly card: SignedMeshCard | undefined
    }
  | {
      readonly kind: 'roster'
      readonly roster: SignedClusterRoster
      /** Who it is in the sender's eyes; the roster may be of another's time. */
      readonly coordinator: NodeId
      /** Of members that call someone far. */
      readonly standings: readonly SignedClusterStanding[]
      /** Of members, for one who wants to join. */
      readonly cards: readonly SignedMeshCard[]
    }
  /** The same as what has changed in it, for who has the version before. */
  | {
      readonly kind: 'roster-change'
      /** With none but the new seats; the signature is over all. */
      readonly roster: SignedClusterRoster
      /** The version that it changes, by the same coordinator. */
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
  /** "I am in, at this epoch, and have this version by that coordinator"; to the present one. */
  | {
      readonly kind: 'here'
      readonly cluster: string
      readonly version: number
      readonly coordinator: NodeId
      readonly epoch: number
    }
  | { readonly kind: 'here-ack'; readonly cluster: string; readonly version: number }
  /** "I have moved": my card, with another cluster and a later epoch. */
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
