/** What a step has to say, as one packet per peer; two while it speaks in two clusters. */
import {
  emptyMeshPacket,
  type MembershipMessage,
  type MeshPacket,
  type NeighbourhoodMessage,
  type NodeId,
} from '../../protocol/index.ts'
import type { MachineSend } from './machine.ts'

interface Filling extends MeshPacket {
  cluster: string
  readonly membership: MembershipMessage[]
  readonly neighbourhood: NeighbourhoodMessage[]
}

export function packetsOf(sends: readonly MachineSend[]): [to: NodeId, packet: MeshPacket][] {
  const packets: [NodeId, Filling][] = []
  const open = new Map<NodeId, Filling>()
  for (const { to, part } of sends) {
    let packet = open.get(to)
    const isElsewhere =
      part.kind === 'membership' && packet !== undefined && packet.cluster !== part.cluster
    if (packet === undefined || (isElsewhere && packet.cluster !== '')) {
      packet = { ...emptyMeshPacket, membership: [], neighbourhood: [] }
      open.set(to, packet)
      packets.push([to, packet])
    }
    if (part.kind === 'membership') {
      packet.cluster = part.cluster
      packet.membership.push(part.message)
    } else packet.neighbourhood.push(part.message)
  }
  return packets
}
