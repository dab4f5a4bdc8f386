/**
 * What a node says of its load, cheap enough to be checked for ten thousand nodes every other
 * second.
 *
 * Now and then a node signs an anchor: who it is, what it can do, how it is, and the ends of hash
 * chains, one for each level that its load can have. At each later tick it reveals one value of
 * the chain of its present level. Only the node knows that value before, and whoever has the anchor
 * checks it with a few hashes. `docs/decisions/0026-digests.md` has the reasons and costs.
 */
import type { NodeId } from './ids.ts'
import type { NodeKey } from './node-key.ts'

/** Something with its signature over the very bytes that it was read from. */
export interface Sealed<T> {
  /** What the bytes say; to be believed once the signature was verified. */
  readonly value: T
  /** FlatBuffers. */
  readonly bytes: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Degraded: works, but worse than it says of itself. Draining: takes nothing new. */
export type NodeHealth = 'good' | 'degraded' | 'draining'

export interface LoadFigures {
  readonly running: number
  readonly waiting: number
  readonly kvTokensFree: number
}

export interface LoadAnchor {
  readonly node: NodeId
  /** The cluster that the node takes itself to be in. */
  readonly cluster: string
  /** As in the node's record; empty: not declared. */
  readonly region: string
  /** Rises with every anchor of the node; seconds since 1970 or more. Below 2^32. */
  readonly sequence: number
  /** Wall-clock ms since 1970, by the node: the time of tick 0. */
  readonly issuedAtMs: number
  readonly tickMs: number
  /** The last tick that the chains reach to. */
  readonly ticksMax: number
  /** SHA-256 of the bytes of the node's signed record, 32 bytes. */
  readonly capabilities: Uint8Array
  /** Requests that run at once. */
  readonly slots: number
  /** What the levels of counts are multiples of. */
  readonly countUnit: number
  readonly kvTokensTotal: number
  /** Measured: what the node produces with all its slots taken. 0: not measured. */
  readonly tokensPerSecond: number
  readonly health: NodeHealth
  /** At tick 0, exactly. */
  readonly load: LoadFigures
  /** Value 0 of each chain: 16 bytes for each level of each figure. */
  readonly tops: Uint8Array
}

export interface LoadTick {
  readonly key: NodeKey
  /** Of the anchor. */
  readonly sequence: number
  /** From 1. */
  readonly tick: number
  /** 4 bits for each figure, from the lowest: running, waiting, free KV tokens. */
  readonly levels: number
  /** The values of those levels' chains at this tick, 16 bytes each. */
  readonly proof: Uint8Array
}

/** A coordinator's word on a member, void as soon as the member says something newer. */
export interface GoneMember {
  readonly key: NodeKey
  /** What the member said last. */
  readonly sequence: number
  readonly tick: number
  readonly state: 'suspect' | 'dead' | 'left'
}

export interface ClusterDigest {
  readonly cluster: string
  readonly coordinator: NodeId
  /** Rises with every digest of the coordinator. */
  readonly sequence: number
  /** The digest that the receiver acknowledged, and to which this one adds; 0: none. */
  readonly base: number
  readonly issuedAtMs: number
  readonly members: number
  /** Gateways that the coordinator tells. The first passes it on to those that are not named. */
  readonly told: readonly NodeId[]
  readonly anchors: readonly Sealed<LoadAnchor>[]
  readonly ticks: readonly LoadTick[]
  readonly gone: readonly GoneMember[]
}

export interface DigestAck {
  readonly cluster: string
  readonly sequence: number
  /** Whose anchors the receiver does not have. */
  readonly lacks: readonly NodeKey[]
}

export interface ClusterSummary {
  /** `clusterKeyOf`. */
  readonly cluster: string
  readonly members: number
  /** A hash of the set of anchors. */
  readonly anchors: number
  /** Mean time of what the members said last, ms since 1970 by their clocks. */
  readonly saidAtMs: number
}

export interface ViewSummary {
  /** Cluster keys above `after` and up to `until` that are not named are not known. */
  readonly after: string
  readonly until: string
  readonly clusters: readonly ClusterSummary[]
}

export interface AnchorOffer {
  readonly key: NodeKey
  readonly sequence: number
}

export interface LoadNews {
  readonly anchors: readonly Sealed<LoadAnchor>[]
  readonly ticks: readonly LoadTick[]
  /** What the receiver may ask for. */
  readonly offers: readonly AnchorOffer[]
}

export type LoadMessage =
  | { readonly kind: 'news'; readonly news: LoadNews }
  | { readonly kind: 'wants'; readonly keys: readonly NodeKey[] }
  | { readonly kind: 'digest'; readonly digest: Sealed<ClusterDigest> }
  | { readonly kind: 'ack'; readonly ack: DigestAck }
  | { readonly kind: 'summary'; readonly summary: ViewSummary }

export const loadChain = {
  /** Running, waiting, free KV tokens. */
  figures: 3,
  /** Four bits; neighbouring levels differ by a third at most, far less than a load in a second. */
  levels: 16,
  /** Nobody finds a preimage of 128 bits. */
  valueBytes: 16,
} as const

export const loadChainCount = loadChain.figures * loadChain.levels
export const loadProofBytes = loadChain.figures * loadChain.valueBytes
export const loadTopsBytes = loadChainCount * loadChain.valueBytes

/** Bounds of what a message about load may hold. */
export const digestLimits = {
  clusterIdBytesMax: 96,
  regionBytesMax: 64,
  /** Minutes: 16 × 3 chains of that length take a node about 2 ms to make. */
  ticksMax: 120,
  tickMsMin: 100,
  tickMsMax: 10_000,
  /** Twice the members of a cluster: two halves may meet. */
  ticksPerDigestMax: 128,
  /** 1 kB each: a digest stays below 20 kB, so that nothing waits long behind it. */
  anchorsPerDigestMax: 8,
  gonePerDigestMax: 128,
  toldMax: 4,
  anchorsPerNewsMax: 16,
  ticksPerNewsMax: 256,
  offersPerNewsMax: 1_024,
  wantsMax: 1_024,
  clustersPerSummaryMax: 512,
  anchorBytesMax: 2_048,
  digestBytesMax: 64 * 1024,
} as const
