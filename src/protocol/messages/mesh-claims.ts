/** Cards, rosters and standings as parts of other messages. `verifyClaim` checks them, not this. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import * as wire from '../generated/neighbourhood.js'
import { signatureLengthBytes } from '../identity.ts'
import { publicKeyOf } from '../ids.ts'
import {
  coordinateDimensions,
  coordinateFloats,
  type SaidCoordinate,
  type SaidTrip,
  type SignedClusterRoster,
  type SignedClusterStanding,
  type SignedMeshCard,
  type SketchedTrip,
} from '../neighbourhood.ts'
import { checkLength, fixedBytesOf, nodeIdFrom, safeNumberOf, textOf } from './decode.ts'
import { textOffset, uint32, uint53 } from './encode.ts'
import { readIds, writeIds } from './id-columns.ts'
import { messageLimits } from './limits.ts'
import { keysOf, keysOffset } from './load-columns.ts'
import { malformed } from './verify-buffer.ts'

const { clusterNameBytesMax, seatsMax, tripsMax } = messageLimits
const coordinateBytes = (coordinateDimensions + 3) * 4

export function writeCard(to: Builder, card: SignedMeshCard): Offset {
  const { MeshCard: Table } = wire
  const signature = to.createByteVector(card.signature)
  const coordinate = writeCoordinate(to, card.coordinate)
  const sketchKeys = keysOffset(
    to,
    card.sketch.map(({ key }) => key),
  )
  const trips = card.sketch.map(({ ms }) => ms)
  const sketchMs = trips.length === 0 ? 0 : Table.createSketchMsVector(to, trips)
  const cluster = textOffset(to, card.cluster)
  const contact = to.createByteVector(card.contact)
  const id = to.createByteVector(publicKeyOf(card.id))
  Table.startMeshCard(to)
  Table.addEpoch(to, uint53(card.epoch, 'epoch'))
  Table.addIssuedAtMs(to, uint53(card.issuedAtMs, 'issuedAtMs'))
  Table.addId(to, id)
  Table.addCluster(to, cluster)
  Table.addClusterSize(to, uint32(card.clusterSize, 'clusterSize'))
  Table.addSketchKeys(to, sketchKeys)
  Table.addSketchMs(to, sketchMs)
  Table.addCoordinate(to, coordinate)
  Table.addSignature(to, signature)
  Table.addContact(to, contact)
  return Table.endMeshCard(to)
}

export function readCard(table: wire.MeshCard | null): SignedMeshCard {
  if (table === null) throw malformed('a card is not there')
  const contact = table.contactArray() ?? new Uint8Array(0)
  checkLength(contact.length, 'card.contact', messageLimits.payloadBytesMax)
  return {
    kind: 'card',
    id: nodeIdFrom(table.idArray(), 'card.id'),
    epoch: safeNumberOf(table.epoch(), 'card.epoch'),
    cluster: readCluster(table.cluster(Encoding.UTF8_BYTES)),
    clusterSize: table.clusterSize(),
    contact: contact.slice(),
    sketch: readSketch(table.sketchKeysArray(), table.sketchMsArray()),
    coordinate: readCoordinate(table.coordinateArray()),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'card.issued_at_ms'),
    signature: fixedBytesOf(table.signatureArray(), 'card.signature', signatureLengthBytes),
  }
}

export function writeRoster(to: Builder, roster: SignedClusterRoster): Offset {
  const { ClusterRoster: Table } = wire
  const signature = to.createByteVector(roster.signature)
  const seatIds = writeIds(to, roster.seats, ({ id }) => id)
  const epochs = roster.seats.map(({ epoch }) => uint53(epoch, 'epoch'))
  const seatEpochs = epochs.length === 0 ? 0 : Table.createSeatEpochsVector(to, epochs)
  const cluster = textOffset(to, roster.cluster)
  const coordinator = to.createByteVector(publicKeyOf(roster.coordinator))
  Table.startClusterRoster(to)
  Table.addVersion(to, uint53(roster.version, 'version'))
  Table.addIssuedAtMs(to, uint53(roster.issuedAtMs, 'issuedAtMs'))
  Table.addCluster(to, cluster)
  Table.addCoordinator(to, coordinator)
  Table.addSeatIds(to, seatIds)
  Table.addSeatEpochs(to, seatEpochs)
  Table.addSignature(to, signature)
  return Table.endClusterRoster(to)
}

export function readRoster(table: wire.ClusterRoster | null): SignedClusterRoster {
  if (table === null) throw malformed('a roster is not there')
  const ids = readIds(table.seatIdsArray(), { name: 'roster.seat_ids', lengthMax: seatsMax })
  if (table.seatEpochsLength() !== ids.length) throw malformed('a seat has no epoch')
  return {
    kind: 'roster',
    cluster: readCluster(table.cluster(Encoding.UTF8_BYTES)),
    version: safeNumberOf(table.version(), 'roster.version'),
    coordinator: nodeIdFrom(table.coordinatorArray(), 'roster.coordinator'),
    seats: ids.map((id, i) => ({
      id,
      epoch: safeNumberOf(table.seatEpochs(i) ?? 0n, 'roster.seat_epochs'),
    })),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'roster.issued_at_ms'),
    signature: fixedBytesOf(table.signatureArray(), 'roster.signature', signatureLengthBytes),
  }
}

export function writeStanding(to: Builder, standing: SignedClusterStanding): Offset {
  const { ClusterStanding: Table } = wire
  const signature = to.createByteVector(standing.signature)
  const far = writeIds(to, standing.far, (id) => id)
  const cluster = textOffset(to, standing.cluster)
  const id = to.createByteVector(publicKeyOf(standing.id))
  Table.startClusterStanding(to)
  Table.addEpoch(to, uint53(standing.epoch, 'epoch'))
  Table.addIssuedAtMs(to, uint53(standing.issuedAtMs, 'issuedAtMs'))
  Table.addId(to, id)
  Table.addCluster(to, cluster)
  Table.addFar(to, far)
  Table.addSignature(to, signature)
  return Table.endClusterStanding(to)
}

export function readStanding(table: wire.ClusterStanding | null): SignedClusterStanding {
  if (table === null) throw malformed('a standing is not there')
  return {
    kind: 'standing',
    id: nodeIdFrom(table.idArray(), 'standing.id'),
    cluster: readCluster(table.cluster(Encoding.UTF8_BYTES)),
    epoch: safeNumberOf(table.epoch(), 'standing.epoch'),
    far: readIds(table.farArray(), { name: 'standing.far', lengthMax: seatsMax }),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'standing.issued_at_ms'),
    signature: fixedBytesOf(table.signatureArray(), 'standing.signature', signatureLengthBytes),
  }
}

export function readCluster(bytes: string | Uint8Array | null): string {
  return textOf(bytes, 'cluster', clusterNameBytesMax)
}

export function readTrips(ids: Uint8Array | null, times: Float32Array | null): SaidTrip[] {
  const read = readIds(ids, { name: 'trips', lengthMax: tripsMax })
  if ((times?.length ?? 0) !== read.length) throw malformed('a trip has no duration')
  return read.map((id, i) => ({ id, ms: times?.[i] ?? 0 }))
}

function readSketch(keys: Uint8Array | null, times: Float32Array | null): SketchedTrip[] {
  const read = keysOf(keys, 'card.sketch_keys', tripsMax)
  if ((times?.length ?? 0) !== read.length) throw malformed('a sketched trip has no duration')
  return read.map((key, i) => ({ key, ms: times?.[i] ?? 0 }))
}

export function writeCoordinate(to: Builder, coordinate: SaidCoordinate): Offset {
  const view = new DataView(new ArrayBuffer(coordinateBytes))
  for (const [i, value] of coordinateFloats(coordinate).entries()) {
    view.setFloat32(i * 4, value, true)
  }
  return to.createByteVector(new Uint8Array(view.buffer))
}

export function readCoordinate(bytes: Uint8Array | null): SaidCoordinate {
  const { buffer } = fixedBytesOf(bytes, 'coordinate', coordinateBytes)
  const view = new DataView(buffer)
  const value = (i: number) => view.getFloat32(i * 4, true)
  return {
    position: Array.from({ length: coordinateDimensions }, (_, i) => value(i)),
    heightMs: value(coordinateDimensions),
    adjustmentMs: value(coordinateDimensions + 1),
    error: value(coordinateDimensions + 2),
  }
}
