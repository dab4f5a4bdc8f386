/**
 * A node's card: who it is, which cluster it is in, and where it is in the space of round trips.
 * Signed by the node itself, so that others can hand it on but not change it.
 */
import type { NodeId, Verification } from '../../protocol/index.ts'
import { type Coordinate, isPlausible, predictMs } from '../coordinates/coordinate.ts'
import { directoryLimits } from './limits.ts'

/** A measured round trip. */
export interface Trip {
  readonly id: NodeId
  readonly ms: number
}

export interface Seal {
  /** Wall-clock ms since 1970, by the signer. */
  readonly issuedAtMs: number
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array
}

/** From where a node sees the federation. */
export interface Viewpoint {
  /** Its round trips to the witnesses, in the order of their ids, each once. */
  readonly sketch: readonly Trip[]
  readonly coordinate: Coordinate
}

export interface CardBody extends Viewpoint {
  readonly kind: 'card'
  readonly id: NodeId
  /** Raised with each change of cluster, also across restarts: the latest epoch is the place. */
  readonly epoch: number
  readonly cluster: string
  readonly clusterSize: number
  /** Where it can be reached, and that it was admitted: opaque here. */
  readonly contact: Uint8Array
}

export type Card = CardBody & Seal

export type VerifyCard = (card: Card) => Verification

/** Below this many shared witnesses, the coordinates say more. */
const sharedWitnessesMin = 3
/** From this many on, one witness may be wrong: the one that parts the two most is left out. */
const sharedWitnessesToTrim = 5

/**
 * How differently two nodes see the witnesses, in ms: small for nodes that are near each other.
 * It ranks pairs, and is no prediction of their round trip. Near ones are told apart far better
 * by this than by coordinates (docs/decisions/0025).
 */
export function apartMs(one: Viewpoint, other: Viewpoint): number {
  const [a, b] = [one.sketch, other.sketch]
  let [i, j, shared, sumMs, mostMs] = [0, 0, 0, 0, 0]
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i] as Trip, b[j] as Trip]
    if (x.id === y.id) {
      const differenceMs = Math.abs(x.ms - y.ms)
      if (differenceMs > mostMs) mostMs = differenceMs
      sumMs += differenceMs
      shared += 1
      i += 1
      j += 1
    } else if (x.id < y.id) i += 1
    else j += 1
  }
  if (shared >= sharedWitnessesToTrim) return (sumMs - mostMs) / (shared - 1)
  if (shared >= sharedWitnessesMin) return sumMs / shared
  const { coordinate } = one
  const isPlaced = coordinate.error < 1 && other.coordinate.error < 1
  return isPlaced ? predictMs(coordinate, other.coordinate) : directoryLimits.unknownMs
}

/** Whether the first says what is newer. Both are of one node. */
export function isNewer(one: Card, other: Card): boolean {
  if (one.epoch !== other.epoch) return one.epoch > other.epoch
  return one.issuedAtMs > other.issuedAtMs
}

/** Whether its fields can be what they say. */
export function isWellFormed(card: Card): boolean {
  const { epoch, cluster, clusterSize, sketch } = card
  if (!Number.isSafeInteger(epoch) || epoch < 0) return false
  if (cluster.length === 0 || cluster.length > directoryLimits.clusterNameLengthMax) return false
  if (!Number.isSafeInteger(clusterSize) || clusterSize < 1) return false
  return isOrdered(sketch) && isPlausible(card.coordinate)
}

function isOrdered(sketch: readonly Trip[]): boolean {
  if (sketch.length > directoryLimits.sketchMax) return false
  let last = ''
  for (const { id, ms } of sketch) {
    if (id <= last || !(ms >= 0 && ms <= directoryLimits.tripMsMax)) return false
    last = id
  }
  return true
}

const cardTableBytes = 32 + 8 + 2 + 24 + 8 + 64 + 24
const coordinateBytes = 44
const tripBytes = 32 + 2

export function cardBytes(card: Card): number {
  const bytes = cardTableBytes + coordinateBytes + card.sketch.length * tripBytes
  return bytes + card.contact.length
}
