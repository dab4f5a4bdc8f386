/** What an agent is made of, and what it says of others. */
import type { Clock, Log, Random } from '../../base/index.ts'
import type { Identity, MemberState, NodeId } from '../../protocol/index.ts'
import type { Transport } from '../../transport/index.ts'
import type { ClusterRules } from '../clusters/limits.ts'
import type { LinkEstimate } from '../links/link-table.ts'
import type { LinkMeasure } from '../links/link-window.ts'
import type { MembershipPreset } from '../membership/presets.ts'
import type { MemberRole } from './card.ts'
import type { ContactStore } from './contacts.ts'
import type { FaultListener } from './guests.ts'
import type { AgentLimits } from './limits.ts'
import type { LoadFacts } from './load-keeper.ts'
import type { ExperienceReader, NoticeReader } from './notice-keeper.ts'

export interface AgentOptions {
  readonly network: string
  readonly role: MemberRole
  /** Whoever has it is admitted. */
  readonly token: string
  /** As its operator names it. */
  readonly region?: string
  readonly preset?: MembershipPreset
  readonly rules?: ClusterRules
  readonly limits?: Partial<AgentLimits>
}

export interface AgentModules {
  readonly identity: Identity
  readonly transport: Pick<Transport, 'dial'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly contacts: ContactStore
  /** Of a node: its load, and what it can do. Without it, it says none. */
  readonly facts?: () => LoadFacts
  /** Of a gateway: checks what others tell of nodes. */
  readonly onNotice?: NoticeReader
  /** … and what they have seen of them. */
  readonly onExperience?: ExperienceReader
  /** Told of every fault in what a peer sent. */
  readonly onFault?: FaultListener
}

export interface MeshMember {
  readonly id: NodeId
  readonly role: MemberRole
  /** As its operator names it; empty: none. */
  readonly region: string
  readonly state: MemberState
  readonly incarnation: number
  readonly addresses: readonly string[]
  /** null: not measured lately. */
  readonly link: LinkMeasure | null
  /** The round trip, by measurement or by coordinates; null: nothing is known. */
  readonly estimate: LinkEstimate | null
}
