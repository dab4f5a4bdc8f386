/** What nodes tell each other of who exists, who is near, and their clusters. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/neighbourhood.js'
import { type NodeId, publicKeyOf } from '../ids.ts'
import type {
  AdmissionVerdict,
  NeighbourhoodMessage,
  SaidHoldings,
  SaidTrip,
  SignedClusterStanding,
  SignedMeshCard,
} from '../neighbourhood.ts'
import { checkLength, decodeMessage, nodeIdFrom, safeNumberOf } from './decode.ts'
import { encodeMessage, textOffset, uint32, uint53 } from './encode.ts'
import { readIds, writeIds } from './id-columns.ts'
import { messageLimits } from './limits.ts'
import {
  readCard,
  readCluster,
  readCoordinate,
  readRoster,
  readStanding,
  readTrips,
  writeCard,
  writeCoordinate,
  writeRoster,
  writeStanding,
} from './mesh-claims.ts'
import { malformed } from './verify-buffer.ts'

const { NeighbourhoodMessage: Table, NeighbourhoodKind: Kind, AdmissionVerdict: Verdict } = wire

const kinds: Readonly<Record<NeighbourhoodMessage['kind'], wire.NeighbourhoodKind>> = {
  shuffle: Kind.shuffle,
  'shuffle-reply': Kind.shuffle_reply,
  probe: Kind.probe,
  echo: Kind.echo,
  'roster-wanted': Kind.roster_wanted,
  roster: Kind.roster,
  ask: Kind.ask,
  answer: Kind.answer,
  standing: Kind.standing,
  here: Kind.here,
  'here-ack': Kind.here_ack,
  moved: Kind.moved,
  'shuffle-rest': Kind.shuffle_rest,
  'roster-change': Kind.roster_change,
}
const kindNames = namesOf(kinds)

const verdicts: Readonly<Record<AdmissionVerdict, wire.AdmissionVerdict>> = {
  admitted: Verdict.admitted,
  stale: Verdict.stale,
  full: Verdict.full,
  'too-far': Verdict.too_far,
  elsewhere: Verdict.elsewhere,
}
const verdictNames = namesOf(verdicts)

function namesOf<Name extends string>(numbers: Readonly<Record<Name, number>>): Map<number, Name> {
  const names = Object.keys(numbers) as Name[]
  return new Map(names.map((name) => [numbers[name], name]))
}

export function encodeNeighbourhoodMessage(message: NeighbourhoodMessage): Uint8Array {
  return encodeMessage((to) => writeNeighbourhoodMessage(to, message))
}

export function writeNeighbourhoodMessage(to: Builder, message: NeighbourhoodMessage): Offset {
  const at = offsetsOf(to, message)
  Table.startNeighbourhoodMessage(to)
  if ('version' in message) Table.addVersion(to, uint53(message.version, 'version'))
  if ('epoch' in message) Table.addEpoch(to, uint53(message.epoch, 'epoch'))
  Table.addCard(to, at.card)
  Table.addRandom(to, at.random)
  Table.addNear(to, at.near)
  if ('witnesses' in message) Table.addWitnesses(to, uint32(message.witnesses, 'witnesses'))
  if ('nonce' in message) Table.addNonce(to, uint32(message.nonce, 'nonce'))
  if ('holdings' in message) {
    Table.addNonce(to, uint32(message.holdings.salt, 'salt'))
    Table.addReachMs(to, message.holdings.reachMs)
  }
  if ('base' in message) Table.addBase(to, uint53(message.base, 'base'))
  Table.addCluster(to, at.cluster)
  Table.addCoordinator(to, at.coordinator)
  Table.addCoordinate(to, at.coordinate)
  Table.addRoster(to, at.roster)
  Table.addStandings(to, at.standings)
  Table.addTripIds(to, at.tripIds)
  Table.addTripMs(to, at.tripMs)
  Table.addKnown(to, at.known)
  Table.addRandomMarks(to, at.marks)
  Table.addGone(to, at.gone)
  if ('verdict' in message) Table.addVerdict(to, verdicts[message.verdict])
  Table.addKind(to, kinds[message.kind])
  return Table.endNeighbourhoodMessage(to)
}

interface Parts {
  readonly kind: NeighbourhoodMessage['kind']
  readonly card?: SignedMeshCard | undefined
  readonly random?: readonly SignedMeshCard[]
  readonly near?: readonly SignedMeshCard[]
  readonly cards?: readonly SignedMeshCard[]
  readonly standings?: readonly SignedClusterStanding[]
  readonly standing?: SignedClusterStanding
  readonly trips?: readonly SaidTrip[]
  readonly holdings?: SaidHoldings
  readonly marks?: readonly number[]
  readonly gone?: readonly NodeId[]
  readonly cluster?: string
  readonly coordinator?: NodeId
}

function offsetsOf(to: Builder, message: NeighbourhoodMessage): Offsets {
  const parts: Parts = message
  const standings = parts.standing === undefined ? (parts.standings ?? []) : [parts.standing]
  const said = standings.map((standing) => writeStanding(to, standing))
  const trips = parts.trips ?? []
  const times = trips.map(({ ms }) => ms)
  const marks = parts.marks ?? []
  const { filter } = parts.holdings ?? {}
  return {
    card: parts.card === undefined ? 0 : writeCard(to, parts.card),
    random: writeCards(to, parts.random ?? [], Table.createRandomVector),
    near: writeCards(to, parts.near ?? parts.cards ?? [], Table.createNearVector),
    cluster: textOffset(to, parts.cluster ?? ''),
    coordinator:
      parts.coordinator === undefined ? 0 : to.createByteVector(publicKeyOf(parts.coordinator)),
    coordinate: 'coordinate' in message ? writeCoordinate(to, message.coordinate) : 0,
    roster: 'roster' in message ? writeRoster(to, message.roster) : 0,
    standings: said.length === 0 ? 0 : Table.createStandingsVector(to, said),
    tripIds: writeIds(to, trips, ({ id }) => id),
    tripMs: times.length === 0 ? 0 : Table.createTripMsVector(to, times),
    known: filter === undefined ? 0 : to.createByteVector(filter),
    marks: marks.length === 0 ? 0 : Table.createRandomMarksVector(to, [...marks]),
    gone: writeIds(to, parts.gone ?? [], (id) => id),
  }
}

interface Offsets {
  readonly card: Offset
  readonly random: Offset
  readonly near: Offset
  readonly cluster: Offset
  readonly coordinator: Offset
  readonly coordinate: Offset
  readonly roster: Offset
  readonly standings: Offset
  readonly tripIds: Offset
  readonly tripMs: Offset
  readonly known: Offset
  readonly marks: Offset
  readonly gone: Offset
}

function writeCards(
  to: Builder,
  cards: readonly SignedMeshCard[],
  create: (to: Builder, offsets: Offset[]) => Offset,
): Offset {
  if (cards.length === 0) return 0
  return create(
    to,
    cards.map((card) => writeCard(to, card)),
  )
}

/** Throws `malformed_message`. Signatures are for the receiver to check. */
export function decodeNeighbourhoodMessage(bytes: Uint8Array): NeighbourhoodMessage {
  checkLength(bytes.length, 'message', messageLimits.meshPacketBytesMax)
  return decodeMessage(bytes, layouts.NeighbourhoodMessage, (buffer) =>
    readNeighbourhoodMessage(Table.getRootAsNeighbourhoodMessage(buffer)),
  )
}

export function readNeighbourhoodMessage(
  table: wire.NeighbourhoodMessage | null,
): NeighbourhoodMessage {
  if (table === null) throw malformed('a message of a neighbourhood is not there')
  const kind = kindNames.get(table.kind())
  switch (kind) {
    case 'shuffle':
    case 'shuffle-reply':
      return { kind, ...shuffleOf(table) }
    case 'shuffle-rest':
      return { kind, ...cardsOf(table) }
    case 'probe':
      return { kind, nonce: table.nonce() }
    case 'echo': {
      const coordinate = readCoordinate(table.coordinateArray())
      return { kind, nonce: table.nonce(), cluster: clusterOf(table), coordinate }
    }
    case 'here':
      return {
        kind,
        ...versionOf(table),
        coordinator: nodeIdFrom(table.coordinatorArray(), 'coordinator'),
        epoch: safeNumberOf(table.epoch(), 'epoch'),
      }
    case 'here-ack':
      return { kind, ...versionOf(table) }
    case 'moved':
      return { kind, card: readCard(table.card()) }
    case 'roster-wanted':
    case 'roster':
    case 'roster-change':
    case 'ask':
    case 'answer':
    case 'standing':
      return readAdmission(kind, table)
    case undefined:
      throw malformed(`a message of the unknown kind ${table.kind()}`)
  }
}

function readAdmission(
  kind: 'roster-wanted' | 'roster' | 'roster-change' | 'ask' | 'answer' | 'standing',
  table: wire.NeighbourhoodMessage,
): NeighbourhoodMessage {
  switch (kind) {
    case 'roster-wanted': {
      const card = table.card()
      return { kind, cluster: clusterOf(table), card: card === null ? undefined : readCard(card) }
    }
    case 'roster': {
      const cards = readCards(table.nearLength(), (i) => table.near(i))
      return { kind, ...rosterOf(table), cards }
    }
    case 'roster-change': {
      const gone = readIds(table.goneArray(), { name: 'gone', lengthMax: messageLimits.seatsMax })
      const base = safeNumberOf(table.base(), 'base')
      return { kind, roster: readRoster(table.roster()), base, gone, standings: standingsOf(table) }
    }
    case 'ask': {
      const trips = readTrips(table.tripIdsArray(), table.tripMsArray())
      return { kind, ...versionOf(table), card: readCard(table.card()), trips }
    }
    case 'answer': {
      const verdict = verdictNames.get(table.verdict())
      if (verdict === undefined) throw malformed(`an unknown verdict ${table.verdict()}`)
      return { kind, cluster: clusterOf(table), verdict, ...rosterOf(table) }
    }
    case 'standing':
      if (table.standingsLength() !== 1) throw malformed('a standing is one')
      return { kind, standing: readStanding(table.standings(0)) }
  }
}

function shuffleOf(table: wire.NeighbourhoodMessage) {
  const card = table.card()
  const filter = table.knownArray() ?? new Uint8Array(0)
  checkLength(filter.length, 'known', messageLimits.holdingsBytesMax)
  return {
    card: card === null ? undefined : readCard(card),
    ...cardsOf(table),
    witnesses: table.witnesses(),
    holdings: { filter: filter.slice(), salt: table.nonce(), reachMs: table.reachMs() },
  }
}

function cardsOf(table: wire.NeighbourhoodMessage) {
  const marks = table.randomMarksArray() ?? []
  checkLength(marks.length, 'random_marks', messageLimits.cardsMax)
  return {
    random: readCards(table.randomLength(), (i) => table.random(i)),
    marks: [...marks],
    near: readCards(table.nearLength(), (i) => table.near(i)),
  }
}

function rosterOf(table: wire.NeighbourhoodMessage) {
  return {
    roster: readRoster(table.roster()),
    coordinator: nodeIdFrom(table.coordinatorArray(), 'coordinator'),
    standings: standingsOf(table),
  }
}

function standingsOf(table: wire.NeighbourhoodMessage): SignedClusterStanding[] {
  const length = table.standingsLength()
  checkLength(length, 'standings', messageLimits.seatsMax)
  return Array.from({ length }, (_, i) => readStanding(table.standings(i)))
}

function versionOf(table: wire.NeighbourhoodMessage) {
  return { cluster: clusterOf(table), version: safeNumberOf(table.version(), 'version') }
}

function clusterOf(table: wire.NeighbourhoodMessage): string {
  return readCluster(table.cluster(Encoding.UTF8_BYTES))
}

function readCards(
  length: number,
  item: (index: number) => wire.MeshCard | null,
): SignedMeshCard[] {
  checkLength(length, 'cards', messageLimits.cardsMax)
  return Array.from({ length }, (_, i) => readCard(item(i)))
}
