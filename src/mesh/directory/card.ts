/**
 * A node's card: who it is, which cluster it is in, and where it is in the space of round trips.
 * Signed by the node itself, so that others can hand it on but not change it.
 */
import type {
  SignedMeshCard as Card,
  MeshCardBody as CardBody,
  NodeKey,
  SketchedTrip,
  Verification,
} from '../../protocol/index.ts'
import {
  type Coordinate,
  coordinateBytes,
  isPlausible,
  predictMs,
} from '../coordinates/coordinate.ts'
import { nothing } from '../nothing.ts'
import { directoryLimits } from './limits.ts'
import { rankOf } from './witnesses.ts'

export type {
  ClaimedSeal as Seal,
  MeshCardBody as CardBody,
  SaidTrip as Trip,
  SignedMeshCard as Card,
} from '../../protocol/index.ts'

/** From where a node sees the federation. */
export type Viewpoint = Pick<CardBody, 'sketch' | 'coordinate'>

export type VerifyCard = (card: Card) => Verification

/** Below this many shared witnesses, the coordinates say more. */
const sharedWitnessesMin = 3
/** From this many on, one witness may be wrong: the one that parts the two most is left out. */
const sharedWitnessesToTrim = 5

interface Placed {
  readonly coordinate: Coordinate
  /** Whether it can be what it says. */
  readonly isPlausible: boolean
}

/** A viewpoint made ready to be compared: this is done very often. */
export interface Outlook extends Placed {
  readonly keys: readonly NodeKey[]
  readonly ms: Float32Array
  /** Equal where the keys are the same; 0 where there are too few. */
  readonly hash: number
  /** Whether the sketch can be what it says. */
  readonly isOrdered: boolean
}

const nothingSeen = new Float32Array(0)
/** One for each sketch, however many hold it. */
const outlooks = new WeakMap<readonly SketchedTrip[], Outlook>()
/** A card is looked at several times in a row. */
let latest: { readonly sketch: readonly SketchedTrip[]; readonly outlook: Outlook } | undefined

export function outlookOf({ sketch, coordinate }: Viewpoint): Outlook {
  if (latest?.sketch === sketch && latest.outlook.coordinate === coordinate) return latest.outlook
  if (sketch.length < sharedWitnessesMin) return nowhere({ sketch, coordinate })
  let outlook = outlooks.get(sketch)
  if (outlook?.coordinate !== coordinate) {
    // The same sketch may be seen from where the node is now.
    outlook = { ...(outlook ?? outlookFrom(sketch)), ...placedAt(coordinate) }
    outlooks.set(sketch, outlook)
  }
  latest = { sketch, outlook }
  return outlook
}

function outlookFrom(sketch: readonly SketchedTrip[]): Omit<Outlook, keyof Placed> {
  let hash = sketch.length
  for (const { key } of sketch) hash = (Math.imul(hash, 31) + rankOf(key)) >>> 0
  const keys = sketch.map(({ key }) => key)
  const ms = new Float32Array(sketch.length)
  for (let place = 0; place < ms.length; place += 1) ms[place] = (sketch[place] as SketchedTrip).ms
  return { keys, ms, hash: hash === 0 ? 1 : hash, isOrdered: isOrdered(sketch) }
}

function placedAt(coordinate: Coordinate): Placed {
  return { coordinate, isPlausible: isPlausible(coordinate) }
}

function nowhere({ sketch, coordinate }: Viewpoint): Outlook {
  const nowhere = { keys: nothing, ms: nothingSeen, hash: 0, isOrdered: isOrdered(sketch) }
  return { ...nowhere, ...placedAt(coordinate) }
}

/**
 * How differently two nodes see the witnesses, in ms: small for nodes that are near each other.
 * It ranks pairs, and is no prediction of their round trip. Near ones are told apart far better
 * by this than by coordinates (docs/decisions/0025).
 */
export function apartMs(one: Viewpoint, other: Viewpoint): number {
  return outlooksApartMs(outlookOf(one), outlookOf(other))
}

export function outlooksApartMs(one: Outlook, other: Outlook): number {
  if (one.hash === 0 || other.hash === 0) return apartByCoordinates(one, other)
  if (one.hash === other.hash && one.ms.length === other.ms.length) {
    return seenApartMs(one.ms, other.ms, 0)
  }
  return apartByMerging(one, other)
}

/** The same witnesses, as two see them: what the other sees lies from a place on. */
export function seenApartMs(ms: Float32Array, others: Float32Array, from: number): number {
  let sumMs = 0
  let mostMs = 0
  for (let place = 0; place < ms.length; place += 1) {
    const differenceMs = Math.abs((ms[place] as number) - (others[from + place] as number))
    if (differenceMs > mostMs) mostMs = differenceMs
    sumMs += differenceMs
  }
  return trimmedMean(sumMs, mostMs, ms.length)
}

function apartByMerging(one: Outlook, other: Outlook): number {
  let [i, j, shared, sumMs, mostMs] = [0, 0, 0, 0, 0]
  while (i < one.keys.length && j < other.keys.length) {
    const [x, y] = [one.keys[i] as NodeKey, other.keys[j] as NodeKey]
    if (x === y) {
      const differenceMs = Math.abs((one.ms[i] as number) - (other.ms[j] as number))
      if (differenceMs > mostMs) mostMs = differenceMs
      sumMs += differenceMs
      shared += 1
      i += 1
      j += 1
    } else if (x < y) i += 1
    else j += 1
  }
  if (shared >= sharedWitnessesMin) return trimmedMean(sumMs, mostMs, shared)
  return apartByCoordinates(one, other)
}

function trimmedMean(sumMs: number, mostMs: number, count: number): number {
  return count >= sharedWitnessesToTrim ? (sumMs - mostMs) / (count - 1) : sumMs / count
}

function apartByCoordinates(one: Outlook, other: Outlook): number {
  if (!isPlaced(one) || !isPlaced(other)) return directoryLimits.unknownMs
  return predictMs(one.coordinate, other.coordinate)
}

function isPlaced({ coordinate }: Outlook): boolean {
  return coordinate.error < 1
}

/** Nobody knows how far it is from anybody. */
export function isNowhere(outlook: Outlook): boolean {
  return outlook.hash === 0 && !isPlaced(outlook)
}

/** Whether the first says what is newer. Both are of one node. */
export function isNewer(one: Card, other: Card): boolean {
  if (one.epoch !== other.epoch) return one.epoch > other.epoch
  return one.issuedAtMs > other.issuedAtMs
}

/** Whether its fields can be what they say. */
export function isWellFormed(card: Card): boolean {
  const { epoch, cluster, clusterSize } = card
  if (!Number.isSafeInteger(epoch) || epoch < 0) return false
  if (cluster.length === 0 || cluster.length > directoryLimits.clusterNameLengthMax) return false
  if (!Number.isSafeInteger(clusterSize) || clusterSize < 1) return false
  if (card.contact.length > directoryLimits.contactBytesMax) return false
  const outlook = outlookOf(card)
  return outlook.isOrdered && outlook.isPlausible
}

function isOrdered(sketch: readonly SketchedTrip[]): boolean {
  if (sketch.length > directoryLimits.sketchMax) return false
  let last = ''
  for (const { key, ms } of sketch) {
    if (key <= last || !(ms >= 0 && ms <= directoryLimits.tripMsMax)) return false
    last = key
  }
  return true
}

/** Vectors with their lengths, the table and where its fields are. */
const cardTableBytes = 36 + 68 + 32 + 76 + 16
const tripBytes = 10 + 4

export function cardBytes(card: Card): number {
  const bytes = cardTableBytes + coordinateBytes + card.sketch.length * tripBytes
  return bytes + card.contact.length
}
