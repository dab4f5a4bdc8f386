/** What one member of the mesh tells another: messages of membership, several in a packet. */
import { type Builder, Encoding, type Offset } from 'flatbuffers'
import * as layouts from '../generated/layouts.js'
import * as wire from '../generated/mesh.js'
import { signatureLengthBytes } from '../identity.ts'
import { publicKeyOf } from '../ids.ts'
import type { LoadMessage } from '../load-statements.ts'
import type {
  MemberState,
  MemberSummary,
  MembershipMessage,
  MembershipMessageBody,
  Statement,
} from '../membership.ts'
import type { NeighbourhoodMessage } from '../neighbourhood.ts'
import type { NoticeMessage } from '../notices.ts'
import type { RelayedPacket } from '../relayed-packet.ts'
import { checkLength, decodeMessage, fixedBytesOf, nodeIdFrom, safeNumberOf } from './decode.ts'
import { encodeMessage, textOffset, uint32, uint53 } from './encode.ts'
import { readIds, writeIds } from './id-columns.ts'
import { messageLimits } from './limits.ts'
import { readLoadMessage, writeLoadMessage } from './load-message.ts'
import { readCluster } from './mesh-claims.ts'
import { readNeighbourhoodMessage, writeNeighbourhoodMessage } from './neighbourhood-message.ts'
import { readNoticeMessage, writeNoticeMessage } from './notice-message.ts'
import { malformed } from './verify-buffer.ts'

export interface MeshPacket {
  /** In which the messages of membership are said; empty where there are none. */
  readonly cluster: string
  readonly membership: readonly MembershipMessage[]
  readonly neighbourhood: readonly NeighbourhoodMessage[]
  /** From or to one that the connection's peer relays for. */
  readonly relayed: RelayedPacket | null
  /** Where the sender holds itself to be, as `mesh` encodes it. */
  readonly coordinate: Uint8Array | null
  readonly load: readonly LoadMessage[]
  readonly notices: NoticeMessage | null
}

/** Says nothing: to be filled with what there is to say. */
export const emptyMeshPacket: MeshPacket = Object.freeze({
  cluster: '',
  membership: [],
  neighbourhood: [],
  relayed: null,
  coordinate: null,
  load: [],
  notices: null,
})

export function encodeMeshPacket(packet: MeshPacket): Uint8Array {
  return encodeMessage((to) => {
    const messages = packet.membership.map((message) => writeMessage(to, message))
    const membership = wire.MeshPacket.createMembershipVector(to, messages)
    const said = packet.neighbourhood.map((message) => writeNeighbourhoodMessage(to, message))
    const neighbourhood =
      said.length === 0 ? 0 : wire.MeshPacket.createNeighbourhoodVector(to, said)
    const cluster = textOffset(to, packet.cluster)
    const relayed = packet.relayed === null ? 0 : writeRelayed(to, packet.relayed)
    const coordinate = packet.coordinate === null ? 0 : to.createByteVector(packet.coordinate)
    const loads = packet.load.map((message) => writeLoadMessage(to, message))
    const load = loads.length === 0 ? 0 : wire.MeshPacket.createLoadVector(to, loads)
    const notices = packet.notices === null ? 0 : writeNoticeMessage(to, packet.notices)
    wire.MeshPacket.startMeshPacket(to)
    wire.MeshPacket.addMembership(to, membership)
    wire.MeshPacket.addCluster(to, cluster)
    wire.MeshPacket.addNeighbourhood(to, neighbourhood)
    wire.MeshPacket.addRelayed(to, relayed)
    wire.MeshPacket.addCoordinate(to, coordinate)
    wire.MeshPacket.addLoad(to, load)
    wire.MeshPacket.addNotices(to, notices)
    return wire.MeshPacket.endMeshPacket(to)
  })
}

export function decodeMeshPacket(bytes: Uint8Array): MeshPacket {
  checkLength(bytes.length, 'packet', messageLimits.meshPacketBytesMax)
  return decodeMessage(bytes, layouts.MeshPacket, (buffer) => {
    const table = wire.MeshPacket.getRootAsMeshPacket(buffer)
    const length = table.membershipLength()
    checkLength(length, 'packet.membership', messageLimits.membershipMessagesMax)
    const relayed = table.relayed()
    const coordinate = table.coordinateArray()
    checkLength(coordinate?.length ?? 0, 'packet.coordinate', messageLimits.coordinateBytesMax)
    const loads = table.loadLength()
    checkLength(loads, 'packet.load', messageLimits.loadMessagesMax)
    const notices = table.notices()
    const said = table.neighbourhoodLength()
    checkLength(said, 'packet.neighbourhood', messageLimits.neighbourhoodMessagesMax)
    return {
      cluster: readCluster(table.cluster(Encoding.UTF8_BYTES)),
      membership: Array.from({ length }, (_, i) => readMessage(table.membership(i))),
      neighbourhood: Array.from({ length: said }, (_, i) =>
        readNeighbourhoodMessage(table.neighbourhood(i)),
      ),
      relayed: relayed === null ? null : readRelayed(relayed),
      coordinate: coordinate?.slice() ?? null,
      load: Array.from({ length: loads }, (_, i) => readLoadMessage(table.load(i))),
      notices: notices === null ? null : readNoticeMessage(notices),
    }
  })
}

function writeRelayed(to: Builder, relayed: RelayedPacket): Offset {
  const { RelayedPacket: Table } = wire
  const signature = to.createByteVector(relayed.signature)
  const packet = to.createByteVector(relayed.packet)
  const recipient = to.createByteVector(publicKeyOf(relayed.recipient))
  const sender = to.createByteVector(publicKeyOf(relayed.sender))
  Table.startRelayedPacket(to)
  Table.addIssuedAtMs(to, uint53(relayed.issuedAtMs, 'issuedAtMs'))
  Table.addSender(to, sender)
  Table.addRecipient(to, recipient)
  Table.addPacket(to, packet)
  Table.addSignature(to, signature)
  return Table.endRelayedPacket(to)
}

/** Not yet verified. */
function readRelayed(table: wire.RelayedPacket): RelayedPacket {
  return {
    sender: nodeIdFrom(table.senderArray(), 'relayed.sender'),
    recipient: nodeIdFrom(table.recipientArray(), 'relayed.recipient'),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'relayed.issued_at_ms'),
    packet: table.packetArray()?.slice() ?? new Uint8Array(0),
    signature: fixedBytesOf(table.signatureArray(), 'relayed.signature', signatureLengthBytes),
  }
}

const kinds: Readonly<Record<MembershipMessage['kind'], wire.MembershipKind>> = {
  ping: wire.MembershipKind.ping,
  'ping-request': wire.MembershipKind.ping_request,
  ack: wire.MembershipKind.ack,
  nack: wire.MembershipKind.nack,
  gossip: wire.MembershipKind.gossip,
  sync: wire.MembershipKind.sync,
  'sync-reply': wire.MembershipKind.sync_reply,
}

function writeMessage(to: Builder, message: MembershipMessage): Offset {
  const { MembershipMessage: Table } = wire
  const statements = message.news.map((statement) => writeStatement(to, statement))
  const news = statements.length === 0 ? 0 : Table.createNewsVector(to, statements)
  const summary = message.kind === 'sync' ? message.summary : []
  const summaryIds = writeIds(to, summary, ({ id }) => id)
  const states = summary.map(({ state }) => wire.StatementKind[state])
  const summaryStates = states.length === 0 ? 0 : Table.createSummaryStatesVector(to, states)
  const incarnations = summary.map(({ incarnation }) => uint53(incarnation, 'incarnation'))
  const summaryIncarnations =
    incarnations.length === 0 ? 0 : Table.createSummaryIncarnationsVector(to, incarnations)
  const wants = message.kind === 'sync-reply' ? writeIds(to, message.wants, (id) => id) : 0
  const target =
    message.kind === 'ping-request' ? to.createByteVector(publicKeyOf(message.target)) : 0
  Table.startMembershipMessage(to)
  Table.addKind(to, kinds[message.kind])
  if ('sequence' in message) Table.addSequence(to, uint32(message.sequence, 'sequence'))
  Table.addTarget(to, target)
  Table.addSummaryIds(to, summaryIds)
  Table.addSummaryIncarnations(to, summaryIncarnations)
  Table.addSummaryStates(to, summaryStates)
  Table.addWants(to, wants)
  Table.addNews(to, news)
  return Table.endMembershipMessage(to)
}

function readMessage(table: wire.MembershipMessage | null): MembershipMessage {
  if (table === null) throw malformed('a message of membership is not there')
  const length = table.newsLength()
  checkLength(length, 'membership.news', messageLimits.statementsMax)
  const news = Array.from({ length }, (_, i) => readStatement(table.news(i)))
  return { ...readBody(table), news }
}

function readBody(table: wire.MembershipMessage): MembershipMessageBody {
  const sequence = table.sequence()
  switch (table.kind()) {
    case wire.MembershipKind.ping:
      return { kind: 'ping', sequence }
    case wire.MembershipKind.ping_request:
      return { kind: 'ping-request', sequence, target: nodeIdFrom(table.targetArray(), 'target') }
    case wire.MembershipKind.ack:
      return { kind: 'ack', sequence }
    case wire.MembershipKind.nack:
      return { kind: 'nack', sequence }
    case wire.MembershipKind.gossip:
      return { kind: 'gossip' }
    case wire.MembershipKind.sync:
      return { kind: 'sync', summary: readSummary(table) }
    case wire.MembershipKind.sync_reply:
      return {
        kind: 'sync-reply',
        wants: readIds(table.wantsArray(), idsNamed('membership.wants')),
      }
    default:
      throw malformed(`a message of membership of the unknown kind ${table.kind()}`)
  }
}

function readSummary(table: wire.MembershipMessage): MemberSummary[] {
  const ids = readIds(table.summaryIdsArray(), idsNamed('membership.summary_ids'))
  const columns = [table.summaryIncarnationsLength(), table.summaryStatesLength()]
  if (columns.some((length) => length !== ids.length)) {
    throw malformed('the columns of a summary differ in length')
  }
  return ids.map((id, i) => ({
    id,
    incarnation: safeNumberOf(table.summaryIncarnations(i) ?? 0n, 'summary.incarnation'),
    state: stateOf(table.summaryStates(i) ?? 0),
  }))
}

function idsNamed(name: string) {
  return { name, lengthMax: messageLimits.summariesMax }
}

function writeStatement(to: Builder, statement: Statement): Offset {
  const { MemberStatement: Table } = wire
  const signature = to.createByteVector(statement.signature)
  const payload = statement.kind === 'alive' ? to.createByteVector(statement.payload) : 0
  const accuser = 'accuser' in statement ? to.createByteVector(publicKeyOf(statement.accuser)) : 0
  const subject = to.createByteVector(publicKeyOf(statement.subject))
  Table.startMemberStatement(to)
  Table.addIncarnation(to, uint53(statement.incarnation, 'incarnation'))
  Table.addIssuedAtMs(to, uint53(statement.issuedAtMs, 'issuedAtMs'))
  Table.addSubject(to, subject)
  Table.addAccuser(to, accuser)
  Table.addPayload(to, payload)
  Table.addSignature(to, signature)
  Table.addKind(to, wire.StatementKind[statement.kind])
  return Table.endMemberStatement(to)
}

/** Not yet verified. */
function readStatement(table: wire.MemberStatement | null): Statement {
  if (table === null) throw malformed('a statement is not there')
  const kind = stateOf(table.kind())
  const said = {
    subject: nodeIdFrom(table.subjectArray(), 'statement.subject'),
    incarnation: safeNumberOf(table.incarnation(), 'statement.incarnation'),
    issuedAtMs: safeNumberOf(table.issuedAtMs(), 'statement.issued_at_ms'),
    signature: fixedBytesOf(table.signatureArray(), 'statement.signature', signatureLengthBytes),
  }
  switch (kind) {
    case 'alive': {
      const payload = table.payloadArray()
      const { payloadBytesMax } = messageLimits
      checkLength(payload?.length ?? 0, 'statement.payload', payloadBytesMax)
      return { kind, ...said, payload: payload?.slice() ?? new Uint8Array(0) }
    }
    case 'left':
      return { kind, ...said }
    case 'suspect':
    case 'dead':
      return { kind, ...said, accuser: nodeIdFrom(table.accuserArray(), 'statement.accuser') }
  }
}

function stateOf(value: wire.StatementKind): MemberState {
  switch (value) {
    case wire.StatementKind.alive:
      return 'alive'
    case wire.StatementKind.suspect:
      return 'suspect'
    case wire.StatementKind.dead:
      return 'dead'
    case wire.StatementKind.left:
      return 'left'
    default:
      throw malformed(`a statement of the unknown kind ${value}`)
  }
}
